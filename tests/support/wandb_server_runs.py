"""The questions about accounts and runs that the stand-in for a W&B server answers."""

import json
from typing import Any

from support.wandb_server_records import ENTITY, Records, Run, project_fields


def _viewer(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    teams = {"edges": [{"node": {"name": ENTITY}}]}
    keys = {"edges": []}
    who = {"id": "user1", "entity": ENTITY, "username": ENTITY, "email": f"{ENTITY}@example.org"}
    return {
        "viewer": {
            **who,
            "flags": "{}",
            "teams": teams,
            "apiKeys": keys,
            "name": ENTITY,
            "admin": False,
        }
    }


def _organization(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    return {"entity": {"organization": None}}


def _features(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    return {"serverInfo": {"features": []}}


def _upsert_bucket(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    name = variables["name"]
    inserted = name not in records.runs
    if inserted:
        project = variables.get("project") or "uncategorized"
        records.runs[name] = Run(name, variables.get("entity") or ENTITY, project, name=name)
        records.projects.add(project)
    run = records.runs[name]
    fields = {
        "displayName": "name",
        "groupName": "group",
        "jobType": "job_type",
        "tags": "tags",
        "notes": "notes",
    }
    fields |= {"commit": "commit", "program": "program", "sweep": "sweep"}
    for given, kept in fields.items():
        if variables.get(given) is not None:
            setattr(run, kept, variables[given])
    for given, kept in (("config", "raw_config"), ("summaryMetrics", "summary")):
        if variables.get(given):
            setattr(run, kept, json.loads(variables[given]))
    run.state, run.exit_code = "running", None
    bucket = {
        "id": f"bucket-{name}",
        "name": name,
        "displayName": run.name,
        "description": None,
        "config": json.dumps(run.raw_config),
        "sweepName": run.sweep,
        "project": project_fields(run.project),
        "historyLineCount": len(run.history),
    }
    return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}


def _resume(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    if variables["project"] not in records.projects:
        return {"model": None}
    run, bucket = records.runs.get(variables["name"]), None
    if run is not None:
        bucket = {
            "id": f"bucket-{run.id}",
            "name": run.id,
            "displayName": run.name,
            "summaryMetrics": json.dumps(run.summary),
            "logLineCount": len(run.output),
            "historyLineCount": len(run.history),
            "eventsLineCount": len(run.events),
            "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
            "eventsTail": json.dumps([json.dumps(row) for row in run.events[-1:]]),
            "config": json.dumps(run.raw_config),
            "tags": run.tags,
            "notes": run.notes,
            "wandbConfig": json.dumps({"t": 1}),
        }
    return {"model": {**project_fields(variables["project"]), "bucket": bucket}}


def _run_files(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    run = variables["run"]
    files = [
        {"name": f, "uploadUrl": f"{records.url}/storage/{run}/{f}"} for f in variables["files"]
    ]
    return {"createRunFiles": {"runID": f"bucket-{run}", "uploadHeaders": [], "files": files}}


def _files_uploaded(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    return {"markRunFilesUploaded": {"success": True}}


def _alert(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    alert = {key: variables.get(key) for key in ("title", "text", "severity")}
    records.runs[variables["runName"]].alerts.append(alert)
    return {"notifyScriptableRunAlert": {"success": True}}


ANSWERS = {
    "Viewer": _viewer,
    "GetDefaultEntity": _viewer,
    "GetViewer": _viewer,
    "OrganizationCoreWeaveOrganizationID": _organization,
    "ServerFeaturesQuery": _features,
    "UpsertBucket": _upsert_bucket,
    "RunResumeStatus": _resume,
    "CreateRunFiles": _run_files,
    "MarkRunFilesUploaded": _files_uploaded,
    "NotifyScriptableRunAlert": _alert,
}
"""By the name of the operation."""
