"""What W&B shows of a whole study: tables and charts in a run of its own, a Report and a workspace.

For the processes that talk to W&B: everything comes as plain data.
"""

from typing import Any

REPORT_JOB = "report"
"""The job type of the study's own run."""
INTERVALS = "arms/intervals"


def study_charts(content: dict[str, Any]) -> dict[str, Any]:
    """Return tables of the arms and their comparisons, a chart of the means, a picture of the intervals, and curves."""
    import wandb

    arms, metric = content["arms"], content["metric"]
    means = [row for row in arms["rows"] if row[2] is not None]
    logged: dict[str, Any] = {
        "arms": wandb.Table(columns=arms["columns"], data=arms["rows"]),
        "arms/means": wandb.plot.bar(
            wandb.Table(columns=arms["columns"], data=means), "arm", "mean", title=metric
        ),
    }
    comparisons = content["comparisons"]
    if comparisons["rows"]:
        logged["comparisons"] = wandb.Table(
            columns=comparisons["columns"], data=comparisons["rows"]
        )
    if content["picture"]:
        logged[INTERVALS] = wandb.Html(content["picture"], inject=False, data_is_not_path=True)
    if lines := content["curves"]["lines"]:
        logged["arms/curves"] = wandb.plot.line_series(
            xs=[[x for x, _ in points] for points in lines.values()],
            ys=[[y for _, y in points] for points in lines.values()],
            keys=list(lines),
            title=content["curves"]["title"],
            xname="epoch",
        )
    return logged


def runs_of(study: str, *, own: bool = False) -> str:
    """Return the filter for the runs of a study, or for the study's own one.

    They are found by their config: a user may choose another group for them. W&B's pages write `.value` after a key.
    """
    # the package replaces operators within quotes, too
    name = "".join(c if c.isalnum() or c in " _-." else f"\\U{ord(c):08x}" for c in study)
    if not own:
        return f"Config('study.value') == '{name}'"
    return f"Config('report_of.value') == '{name}' and Metric('JobType') == '{REPORT_JOB}'"


def charts(metric: str) -> list[Any]:
    """Return the panels that compare the arms: the final metric, its validation curve, the losses."""
    import wandb_workspaces.reports.v2 as wr

    by_arm: dict[str, Any] = {"groupby": wr.Metric("JobType"), "groupby_aggfunc": "mean"}
    bars = wr.BarPlot(
        title=f"{metric}: mean and standard error over seeds",
        metrics=[metric],
        groupby_rangefunc="stderr",
        layout=wr.Layout(x=0, y=0, w=12, h=8),
        **by_arm,
    )
    validation = f"val/{metric.partition('/')[2]}"
    names = dict.fromkeys((validation, "val/loss", "train/loss"))
    places = ((12, 0), (0, 8), (12, 8))
    lines = [
        wr.LinePlot(
            title=f"{name}: mean, smallest and largest seed",
            x="step",
            y=[name],
            groupby_rangefunc="minmax",
            layout=wr.Layout(x=x, y=y, w=12, h=8),
            **by_arm,
        )
        for name, (x, y) in zip(names, places, strict=False)
    ]
    return [bars, *lines]


def report_of(content: dict[str, Any], entity: str, project: str) -> Any:
    """Return the Report of a study."""
    import wandb_workspaces.reports.v2 as wr

    study, metric = content["study"], content["metric"]

    def grid(name: str, panels: list[Any], *, own: bool = False, by_arm: bool = False) -> Any:
        runs = wr.Runset(
            entity=entity,
            project=project,
            name=name,
            filters=runs_of(study, own=own),
            groupby=["JobType"] if by_arm else [],
        )
        return wr.PanelGrid(runsets=[runs], panels=panels)

    whole = wr.Layout(x=0, y=0, w=24, h=12)
    picture = wr.MediaBrowser(
        title="Arms with their intervals", media_keys=[INTERVALS], num_columns=1, layout=whole
    )
    split = metric.partition("/")[0]
    hypotheses = wr.WeavePanelSummaryTable(table_name=f"{split}/hypotheses", layout=whole)
    sections = [
        ("Arms", [content["arms"], grid("the study's own run", [picture], own=True)]),
        ("Comparisons with the baseline", [content["comparisons"]]),
        ("Runs", [grid("runs by arm", charts(metric), by_arm=True)]),
        ("Hypotheses", [grid("all runs", [hypotheses])]),
        ("Runs that are not done", [content["unfinished"]]),
        (
            "To run it again",
            [wr.CodeBlock(code=content["command"], language=None), content["code"]],
        ),
    ]
    blocks: list[Any] = [wr.MarkdownBlock(content["lead"])]
    for title, parts in sections:
        shown = [
            wr.MarkdownBlock(part) if isinstance(part, str) else part for part in parts if part
        ]
        blocks += [wr.H2(title), *shown] if shown else []
    return wr.Report(
        project=project,
        entity=entity,
        title=content["title"],
        description=content["description"],
        blocks=blocks,
        width="fluid",
    )


def workspace_of(content: dict[str, Any], entity: str, project: str) -> Any:
    """Return the workspace with the study's runs by arm."""
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        name=content["study"],
        entity=entity,
        project=project,
        sections=[
            ws.Section(name=content["study"], panels=charts(content["metric"]), is_open=True)
        ],
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Metric("JobType")], filters=runs_of(content["study"])
        ),
    )


def save(
    content: dict[str, Any], entity: str, project: str, kept: dict[str, str]
) -> dict[str, str]:
    """Save Report and workspace, those that `kept` names again; return where they are, to be kept for the next time."""
    report, workspace = report_of(content, entity, project), workspace_of(content, entity, project)
    report.id = kept.get("report", "")
    report.save()
    workspace._internal_name = kept.get("workspace_name", "")
    workspace._internal_id = kept.get("workspace", "")
    workspace.save()
    return {
        "report": report.id,
        "url": report.url,
        "workspace": workspace._internal_id,
        "workspace_name": workspace._internal_name,
        "workspace_url": workspace.url,
    }
