"""The questions about sweeps and their agents that the stand-in for a W&B server answers."""

import json
from typing import Any

import yaml

from support.wandb_server_records import WHEN, Records, Sweep, project_fields


def _upsert_sweep(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    if variables.get("id"):
        sweep = records.sweeps[variables["id"]]
        sweep.state = variables.get("state") or sweep.state
    else:
        project = variables.get("projectName") or "uncategorized"
        sweep = Sweep(records.new_id("sweep"), project, yaml.safe_load(variables["config"]))
        records.sweeps[sweep.id] = sweep
        records.projects.add(project)
    made = {"name": sweep.id, "project": project_fields(sweep.project)}
    return {"upsertSweep": {"sweep": made, "configValidationWarnings": []}}


def _sweep(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    sweep = records.sweeps[variables.get("sweep") or variables["name"]]
    found: dict[str, Any] = dict.fromkeys(
        ("description", "heartbeatAt", "bestLoss", "controller", "scheduler", "displayName")
    )
    found |= {"id": sweep.id, "name": sweep.id, "method": sweep.config["method"]}
    found |= {"state": sweep.state, "config": yaml.safe_dump(sweep.config)}
    found |= {"createdAt": WHEN, "updatedAt": WHEN, "earlyStopJobRunning": False}
    found |= {"runs": {"edges": []}, "__typename": "Sweep", "runCount": len(sweep.runs)}
    return {"project": {"sweep": found}}


def _create_agent(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    agent = records.new_id("agent")
    records.agents[agent] = variables["sweep"]
    return {"createAgent": {"agent": {"id": agent}}}


def _heartbeat(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    """Hand out the next run once the last one is over; `stop` says which runs end early."""
    sweep = records.sweeps[records.agents[variables["id"]]]
    running = json.loads(variables["runState"])
    commands: list[dict[str, Any]] = [
        {"type": "stop", "run_id": run} for run in running if run in sweep.stop
    ]
    if not running:
        parameters = sweep.parameters(len(sweep.runs))
        if parameters is None:
            sweep.state = "FINISHED"
            commands.append({"type": "exit"})
        else:
            sweep.runs.append(f"{sweep.id}-run{len(sweep.runs)}")
            arguments = {name: {"value": value} for name, value in parameters.items()}
            begin = {"type": "run", "run_id": sweep.runs[-1], "args": arguments}
            commands.append({**begin, "program": sweep.config.get("program")})
    found = {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}
    return {"agentHeartbeat": found}


ANSWERS = {
    "UpsertSweep": _upsert_sweep,
    "SweepWithRuns": _sweep,
    "GetSweep": _sweep,
    "CreateAgent": _create_agent,
    "Heartbeat": _heartbeat,
}
"""By the name of the operation."""
