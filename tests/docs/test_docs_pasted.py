"""What is pasted from the code is what the code says now; ``python scripts/pasted.py`` renews it."""

from __future__ import annotations

import cli_help
import pasted
import pytest
import settings_tables
import typer
from docs_pages import read
from pydantic import BaseModel

from penchant.app.cli import app
from penchant.config import Settings


@pytest.mark.parametrize("part", pasted.PARTS)
def test_a_pasted_part_is_up_to_date(part: str) -> None:
    where, text = pasted.PARTS[part]
    page = read(where)
    assert pasted.renewed(page, part, text()) == page, "run: python scripts/pasted.py"


def test_a_page_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs <!-- cli:begin -->"):
        pasted.renewed("no marks", "cli", "text")


def test_every_command_stands_in_the_page_with_every_option() -> None:
    page = read("docs/reference/cli.md")
    n_commands = n_options = 0
    for path, command in cli_help.commands(typer.main.get_command(app)):
        section = page.partition(f"\n## {' '.join(path)}\n")[2].partition("\n## ")[0]
        assert section, path
        n_commands += 1
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else [f"{parameter.name}"]:
                assert option in section, (path, option)
                n_options += 1
    assert n_commands >= 16
    assert n_options >= 90


def configs_of_the_package() -> set[type[BaseModel]]:
    """Return every Config class that the registries and rooms hold."""
    import importlib
    import pkgutil

    import penchant

    found: set[type[BaseModel]] = set()
    for module in pkgutil.walk_packages(penchant.__path__, "penchant."):
        if ".migrations" in module.name or ".testing" in module.name:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__name__.endswith("Config"):
                found.add(value)
    return found


def test_every_setting_and_option_stands_in_the_page_with_its_default() -> None:
    page = read("docs/reference/settings.md")
    shown = {Settings, *(config for _, config in settings_tables.components())}
    shown |= {config for _, config in settings_tables.in_code_only()}
    assert configs_of_the_package() <= shown
    n_fields = 0
    for config in shown:
        table = settings_tables.table(config)
        assert table in page
        for name in config.model_fields:
            assert f"| `{name}` |" in table
            n_fields += 1
        assert all(meaning for *_, meaning in settings_tables.rows(config)), f"{config} has a field without a docstring"
    assert n_fields >= 30
