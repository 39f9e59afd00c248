"""The questions about artifacts that the stand-in for a W&B server answers."""

import json
from typing import Any

from support.wandb_server_records import WHEN, Artifact, Records, project_fields


def _xxhash(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    return {"entity": {"xxhashDigestsEnabled": False}}


def _create_artifact(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    """Keep a new version; one with the same content as an earlier one is that version."""
    given = variables["input"]
    name, project = given["artifactCollectionName"], given.get("projectName") or ""
    run = records.runs.get(given.get("runName") or "")
    versions = records.versions(name, project)
    artifact = next((a for a in versions if a.digest == given["digest"]), None)
    if artifact is None:
        made = (records.new_id("artifact"), name, given["artifactTypeName"], project, len(versions))
        artifact = Artifact(*made, run=given.get("runName") or "", digest=given["digest"])
        artifact.metadata = json.loads(given.get("metadata") or "{}")
        artifact.description = given.get("description")
        records.artifacts.append(artifact)
    artifact.client_id = given.get("clientID")
    aliases = [a["alias"] for a in given.get("aliases") or []]
    for version in versions:
        version.aliases = [a for a in version.aliases if a not in aliases]
    artifact.aliases += [a for a in aliases if a not in artifact.aliases]
    if run is not None and artifact.label not in run.logged:
        run.logged.append(artifact.label)
    latest = {"id": versions[-1].id} if versions else None
    answer = {"id": artifact.id, "state": artifact.state}
    return {
        "createArtifact": {"artifact": {**answer, "artifactSequence": {"latestArtifact": latest}}}
    }


def _manifest(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    made = variables.get("artifactManifestID") or variables["artifactID"]
    where = f"{records.url}/artifact/{made}/wandb_manifest.json"
    answer = {
        "artifactManifest": {
            "id": made,
            "file": {"id": made, "uploadUrl": where, "uploadHeaders": []},
        }
    }
    return {"createArtifactManifest": answer, "updateArtifactManifest": answer}


def _artifact_files(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    edges = []
    for file in variables["input"]["artifactFiles"]:
        made, name = file["artifactID"], file["name"]
        node = {
            "storagePath": f"{made}/{name}",
            "uploadUrl": f"{records.url}/artifact/{made}/{name}",
        }
        node |= {"uploadHeaders": [], "uploadMultipartUrls": None, "artifact": {"id": made}}
        edges.append({"node": node})
    return {"createArtifactFiles": {"files": {"edges": edges}}}


def _commit(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    artifact = records.artifact(variables["artifactID"])
    artifact.state = "COMMITTED"
    return {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.digest}}}


def _use(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    given = variables.get("input", variables)  # of the core, of the Python client
    artifact = records.artifact(given["artifactID"])
    used = records.runs[given["runName"]].used
    used += [artifact.label] if artifact.label not in used else []
    return {"useArtifact": {"artifact": _fields(artifact)}}


def _client_id(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    return {"clientIDMapping": {"serverID": records.artifact(variables["clientID"]).id}}


def _fields(found: Artifact) -> dict[str, Any]:
    aliases = [
        {"__typename": "ArtifactAlias", "id": f"{found.id}-{a}", "alias": a} for a in found.aliases
    ]
    return {
        "__typename": "Artifact",
        "id": found.id,
        "artifactSequence": _collection(found),
        "versionIndex": found.version,
        "artifactType": {"name": found.type},
        "description": found.description,
        "metadata": json.dumps(found.metadata),
        "ttlDurationSeconds": -2,
        "ttlIsInherited": True,
        "tags": [],
        "historyStep": None,
        "state": found.state,
        "size": sum(entry.get("size", 0) for entry in found.manifest.values()),
        "digest": found.digest,
        "digestAlgorithm": None,
        "commitHash": None,
        "fileCount": len(found.manifest),
        "createdAt": WHEN,
        "updatedAt": WHEN,
        "aliases": [{**alias, "artifactCollection": _collection(found)} for alias in aliases],
    }


def _collection(found: Artifact) -> dict[str, Any]:
    kind = {"__typename": "ArtifactSequence", "name": found.name}
    return {**kind, "project": project_fields(found.project)}


def _by_id(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    return {"artifact": _fields(records.artifact(variables["id"]))}


def _type(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    """Return the type of an artifact, or nothing: the client asks before it makes a new one."""
    try:
        found = records.artifact(variables["name"])
    except KeyError:
        return {"project": {"artifact": None}}
    return {"project": {"artifact": {"artifactType": {"name": found.type}}}}


def _membership(records: Records, variables: dict[str, Any]) -> dict[str, Any]:
    found = records.artifact(variables["name"])
    fields = _fields(found)
    member = {"__typename": "ArtifactCollectionMembership", "id": f"member-{found.id}"}
    member |= {key: fields[key] for key in ("versionIndex", "createdAt", "aliases")}
    member |= {"artifactCollection": _collection(found), "artifact": fields}
    return {"project": {"artifactCollectionMembership": member}}


ANSWERS = {
    "XXHashDigestsEnabled": _xxhash,
    "CreateArtifact": _create_artifact,
    "CreateArtifactManifest": _manifest,
    "UpdateArtifactManifest": _manifest,
    "CreateArtifactFiles": _artifact_files,
    "CommitArtifact": _commit,
    "UseArtifact": _use,
    "ClientIDMapping": _client_id,
    "ArtifactByID": _by_id,
    "ArtifactType": _type,
    "ArtifactMembershipByName": _membership,
}
"""By the name of the operation."""
