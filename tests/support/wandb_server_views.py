"""The questions about projects, workspaces and reports that the stand-in for a W&B server answers."""

from typing import Any

from support.wandb_server_records import WHEN, Records, project_fields


def _upsert_view(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    made = variables.get("id") or records.new_id("view")
    inserted = made not in records.views
    kept = records.views.setdefault(made, {})
    kept |= {key: value for key, value in variables.items() if key != "id" and value is not None}
    view = {"id": made, "project": project_fields(kept["projectName"]), "updatedAt": WHEN}
    view |= {key: kept.get(key) for key in ("type", "name", "displayName", "description", "spec")}
    return {"upsertView": {"view": view, "inserted": inserted}}


def _views(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    """Return the views of a project by name, as a workspace asks for them."""
    edges = [
        {"node": {"id": made, "displayName": view["displayName"], "spec": view["spec"]}}
        for made, view in records.views.items()
        if (view["name"], view["projectName"]) == (variables["viewName"], variables["name"])
    ]
    return {"project": {"allViews": {"edges": edges}}}


def _report(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    made = variables["reportId"]
    view = records.views[made]
    found = {"id": made, "project": project_fields(view["projectName"]), "createdAt": WHEN}
    found |= {key: view.get(key) for key in ("name", "displayName", "description", "spec")}
    return {"view": {**found, "updatedAt": WHEN}}


def _delete_view(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    del records.views[variables["id"]]
    found = {"success": True, "pendingDrafts": 0, "__typename": "DeleteViewPayload"}
    return {"deleteView": found}


def _projects(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    nodes = [
        {**project_fields(name), "__typename": "Project", "user": None}
        for name in sorted(records.projects)
    ]
    page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
    return {"models": {"pageInfo": page, "edges": [{"node": node} for node in nodes]}}


def _one_project(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    name = variables.get("projectName") or variables["name"]
    found = {**project_fields(name), "__typename": "Project", "user": None}
    return {"project": found if name in records.projects else None}


def _create_project(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    name = variables["input"]["name"]
    records.projects.add(name)
    made = {**project_fields(name), "description": None, "access": None, "views": None}
    return {"result": {"project": made, "model": made, "inserted": True}}


ANSWERS = {
    "upsertView": _upsert_view,
    "UpsertView2": _upsert_view,
    "View": _views,
    "SpecificReport": _report,
    "deleteView": _delete_view,
    "GetProjects": _projects,
    "GetProject": _one_project,
    "ProjectInternalId": _one_project,
    "CreateProject": _create_project,
}
"""By the name of the operation."""
