"""Tables of documents are what the commands that make them give for the kept figures."""

import json
import re
from pathlib import Path

import pytest

from eval_bridge.evidence import (
    cascade_section,
    delay_section,
    headline,
    perturbation_section,
    quickstart_section,
    scaling_section,
    suite_results,
    what_tokens_buy,
)
from eval_bridge.evidence.suite_record import as_json, from_json
from eval_bridge.report.markdown import section_of
from eval_bridge.report.scaling.plot import render_plot
from eval_bridge.report.tokenizer.page import render_page
from eval_bridge.report.tokenizer.table import document_table
from eval_bridge.runs.ablation.results import write_table

ROOT = Path(__file__).parents[2]
RESULTS = Path("results")
SUITES = sorted(path for path in (ROOT / RESULTS).rglob("libero_*.json") if "training" in json.loads(path.read_text()))
CASCADES = sorted((ROOT / RESULTS).glob("cascade*.json"))
ABLATIONS = sorted((ROOT / RESULTS / "ablations").glob("*.md"))


def read(name: str) -> dict:
    return json.loads((ROOT / RESULTS / name).read_text())


def section(document: str, name: str) -> str:
    return section_of((ROOT / document).read_text(encoding="utf-8"), name)


def test_what_tokens_buy_is_told_as_measured(monkeypatch):
    monkeypatch.chdir(ROOT)
    figures, document = RESULTS / "what_tokens_buy.json", Path("docs/decoding.md")
    expected = what_tokens_buy.describe(figures, document) if figures.exists() else "Not measured yet."
    assert section(str(document), what_tokens_buy.SECTION) == expected


def test_success_over_delay_is_told_as_measured(monkeypatch):
    monkeypatch.chdir(ROOT)
    figures, document = RESULTS / "delay.json", Path("docs/delay.md")
    expected = delay_section.describe(figures, document) if figures.exists() else "Not measured yet."
    assert section(str(document), delay_section.SECTION) == expected


def test_plans_for_many_devices_are_told_and_drawn_as_computed(monkeypatch):
    monkeypatch.chdir(ROOT)
    figures, document = RESULTS / "scaling_plan.json", Path("docs/scaling.md")
    assert section(str(document), scaling_section.SECTION) == scaling_section.describe(figures, document)
    assert (ROOT / "docs/scaling.svg").read_text(encoding="utf-8") == render_plot(read(figures.name))


def test_success_under_perturbations_is_told_as_measured(monkeypatch):
    monkeypatch.chdir(ROOT)
    figures, document = RESULTS / "libero_plus.json", Path("docs/results.md")
    expected = perturbation_section.describe(figures, document) if figures.exists() else "Not measured yet."
    assert section(str(document), perturbation_section.SECTION) == expected


def test_the_readme_has_the_headline_of_the_kept_figures(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = section("README.md", headline.SECTION)
    assert found == headline.describe(RESULTS, Path("README.md"))
    assert len([line for line in found.splitlines() if line.startswith("| ")]) - 4 <= 14


@pytest.mark.parametrize("name", [*headline.SUITES, "libero_spatial_layernorm", "libero_pro"])
def test_tables_of_suites_are_made_from_the_kept_figures(name):
    file, document = RESULTS / f"{name}.json", "docs/results.md"
    columns = from_json(read(file.name))
    suite = name.removesuffix("_layernorm")
    assert section(document, name) == suite_results.describe(columns, suite, file, Path(document))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_a_suites_file_is_read_as_it_was_written(path):
    record = json.loads(path.read_text())
    definitions = record.pop("definitions")
    again = json.loads(json.dumps(as_json(from_json(record))))
    assert again.pop("definitions").keys() == definitions.keys()
    assert again == record


def test_the_small_pipelines_table_is_made_from_the_kept_figures():
    file, document = RESULTS / "quickstart.json", "docs/results.md"
    runs = read(file.name)["runs"]
    found = section(document, quickstart_section.SECTION)
    assert found == quickstart_section.describe(runs, file, Path(document))


@pytest.mark.parametrize("path", CASCADES, ids=lambda path: path.name)
def test_a_cascades_table_is_made_from_the_kept_figures(path):
    document, file = "docs/decoding.md", RESULTS / path.name
    assert section(document, path.stem) == cascade_section.describe(read(path.name), file, Path(document))


def test_the_tokenizers_table_and_page_are_made_from_the_kept_figures():
    file, document = RESULTS / "tokenizer.json", "docs/tokenizer.md"
    figures = read(file.name)
    assert section(document, "results") == document_table(figures, file, Path(document))
    assert (ROOT / "results/tokenizer.html").read_text(encoding="utf-8") == render_page(figures)


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.name)
def test_an_ablations_table_is_made_from_the_file_beside_it(path):
    file = path.with_suffix(".json")
    assert path.read_text(encoding="utf-8") == write_table(json.loads(file.read_text()), file)


@pytest.mark.parametrize(
    "document", ["README.md", "results/README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_between_documents_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in target]
    folder = (ROOT / document).parent
    assert [target for target in targets if not (folder / target).exists()] == []
    assert targets or document == "results/README.md"
