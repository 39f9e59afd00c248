"""The fault battery: real processes that are really killed, full disks, damaged and hostile files. See run.py."""
