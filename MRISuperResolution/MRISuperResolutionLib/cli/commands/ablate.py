"""train short variants of a network that differ in one thing, as the papers' studies do: what is each choice worth?

Writes a table (CSV and Markdown) and the curves to a folder. A study that was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...ablation.studies import STUDIES, find_study
from ...training.config.run_config import Job
from ...training.config.train_config import Protocol
from .train import add_options, given_settings

DATA = ("data", "manifest", "contrasts", "validate", "register", "cache")
"""What a study shares with a training run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", nargs="?", metavar="STUDY", help="the name of one")
    parser.add_argument("--list", action="store_true", help="print the studies, with what is varied")
    parser.add_argument("--values", nargs="+", metavar="V", help="to try, in place of the study's own")
    parser.add_argument("--out", type=Path, default=Path("ablation"), metavar="FOLDER", help="default: ablation")
    add_options(parser.add_argument_group("the data"), Job, DATA)
    add_options(parser.add_argument_group("settings in place of the study's small budget"), Protocol)


def run(options: argparse.Namespace) -> None:
    from ...ablation.report import csv_text, markdown, picture
    from ...ablation.run import investigate
    from ...dataset.load import gather
    from ...errors import RequestError
    from ...evaluation.figures import empty_figure
    from ...io.atomic import write_whole

    if options.list:
        for name, study in STUDIES.items():
            print(f"{name:<16} {', '.join(study.values):<40} {study.about}")
        return
    if options.study is None:
        raise RequestError(f"name a study: {', '.join(STUDIES)}")
    study = find_study(options.study)
    if options.data is None:
        raise RequestError("there is nothing to train on: give --data, a folder, a pattern or a manifest")
    empty_figure(1, 1)
    sources = {name: value for name in DATA if (value := getattr(options, name)) is not None}
    sources |= {name: Path(sources[name]) for name in ("manifest", "cache") if name in sources}
    truths = gather(**sources)
    folder = options.out / options.study
    given = given_settings(options, Protocol)
    findings = []
    for finding in investigate(study, options.values or study.values, truths, folder, given):
        findings.append(finding)
        # what is known so far is kept
        write_whole(folder / "findings.csv", csv_text(findings))
        write_whole(folder / "findings.md", markdown(options.study, study, findings))
        write_whole(folder / "curves.png", picture(options.study, findings))
    print(markdown(options.study, study, findings))
