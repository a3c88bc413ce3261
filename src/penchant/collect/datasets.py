"""Find what to import: a built-in data set by name, a folder that has or fits a mapping, or a single file.

A built-in data set is one TOML file in ``mappings/``; there is no other list of them.
"""

from __future__ import annotations

import os
import tomllib
import zipfile
from collections import abc
from dataclasses import replace
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any, TypeAlias

from penchant.collect.importer import Source, open_reader
from penchant.collect.mapping import ROLES, Mapping, Origin, Part
from penchant.collect.sources.contract import SourceFile
from penchant.domain.event import FIELDS
from penchant.errors import ConfigError, NotInstalledError, SourceError, UnknownNameError

Options: TypeAlias = abc.Mapping[str, Any]
MAPPING_FILE = "penchant.toml"
"""Name of the mapping inside a folder of data."""
_ARCHIVES = (".whl", ".zip")
_OBJECTS = ("attributes", "facts", "context")


@cache
def datasets() -> dict[str, Mapping]:
    """Return the mapping of every built-in data set by name."""
    folder = resources.files("penchant.collect").joinpath("mappings")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    parsed = [Mapping.parse(file.read_text(encoding="utf-8"), file.name) for file in files]
    return {mapping.name: mapping for mapping in parsed}


def open_dataset(
    what: str | Path,
    folder: str | Path | None = None,
    mapping: str | Path | None = None,
    options: str | Path | Options | None = None,
) -> Source:
    """Return files and the mapping that reads them.

    Args:
        what: The name of a built-in data set; a folder; a zip archive or wheel; or a single file.
        folder: Where the files of a built-in data set are, when no installed package brings them.
        mapping: A TOML file that says what the files tell. Left out: what is built in for a name;
            ``penchant.toml`` in the folder; the built-in mapping that the names of the files fit; or none at all
            for a single file whose columns are named like event fields.
        options: What else the format needs to know (``read.options``), or a TOML file that says it.

    Raises:
        UnknownNameError: When ``what`` is neither a path nor a known name.
        NotInstalledError: When the package that brings the data set is missing.
        SourceError: When there is nothing to read, or no mapping for it.
        ConfigError: When the mapping is wrong.
    """
    found = _open(what, folder, mapping)
    return replace(found, mapping=_told(found.mapping, _options(options))) if options else found


def _told(mapping: Mapping, options: Options) -> Mapping:
    """Return the mapping with options of the format set over its own, in every part."""

    def told(part: Part) -> Part:
        read = part.read.model_copy(update={"options": {**part.read.options, **options}})
        return part.model_copy(update={"read": read})

    return mapping.model_copy(update={role: tuple(map(told, getattr(mapping, role))) for role in ROLES})


def _options(given: str | Path | Options) -> Options:
    if isinstance(given, abc.Mapping):
        return given
    try:
        return tomllib.loads(Path(given).read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SourceError(f"cannot read options {given}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"options {given} is not TOML: {error}") from error


def _open(what: str | Path, folder: str | Path | None, mapping: str | Path | None) -> Source:
    name = str(what)
    path = Path(what)
    built_in = datasets()
    if mapping is not None:
        return _source(Mapping.read(mapping), path)
    if name in built_in:
        found = built_in[name]
        if folder is not None:
            return _source(found, Path(folder))
        if found.origin is not None:
            return _installed(found, found.origin)
        if not path.is_dir():
            raise SourceError(f"data set {name!r} is read from a folder; say which: --folder FOLDER")
    if path.is_dir() and (path / MAPPING_FILE).is_file():
        return _source(Mapping.read(path / MAPPING_FILE), path)
    if path.is_dir() or (path.suffix.lower() in _ARCHIVES and path.is_file()):
        return _recognised(path)
    if path.is_file():
        return _own_format(SourceFile(path))
    if os.sep in name or "/" in name or path.suffix:
        raise SourceError(f"there is no file or folder {name}")
    raise UnknownNameError("data set", name, built_in)


def _source(mapping: Mapping, path: Path) -> Source:
    return Source(mapping.name, mapping, tuple(_files(path, mapping.origin)), str(path))


def _files(path: Path, origin: Origin | None = None) -> list[SourceFile]:
    """Return the files in a folder or archive, or the file itself."""
    try:
        if path.is_dir():
            return [SourceFile(file) for file in sorted(path.iterdir()) if file.is_file()]
        if path.suffix.lower() in _ARCHIVES:
            start = origin.folder + "/" if origin else ""
            with zipfile.ZipFile(path) as archive:
                names = sorted(name for name in archive.namelist() if not name.endswith("/"))
            return [SourceFile(path, name) for name in names if name.startswith(start)]
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if not path.is_file():
        raise SourceError(f"there is no file or folder {path}")
    return [SourceFile(path)]


def _installed(mapping: Mapping, origin: Origin) -> Source:
    try:
        place = metadata.distribution(origin.package).locate_file(origin.folder)
    except metadata.PackageNotFoundError:
        what = f"the package {origin.package}, which brings the data set {mapping.name!r},"
        raise NotInstalledError(what, origin.install) from None
    return _source(mapping, Path(str(place)))


def _recognised(path: Path) -> Source:
    """Return a folder or archive with the built-in mapping whose files it has."""
    for mapping in (one for one in datasets().values() if one.recognise):
        files = _files(path, mapping.origin)
        source = Source(mapping.name, mapping, tuple(files), str(path))
        try:
            for _, part in mapping.parts():
                source.files_of(part)
        except SourceError:
            continue
        return source
    raise SourceError(
        f"no mapping for {path}: put a {MAPPING_FILE} there that says what its files tell, or give one "
        f"(--mapping FILE); recognised by their files: "
        f"{', '.join(sorted(name for name, one in datasets().items() if one.recognise))}"
    )


def _own_format(file: SourceFile) -> Source:
    """Return a file whose columns are named like event fields; other columns are an error, never dropped."""
    given = open_reader(Part(), file).columns()
    unknown = [name for name in given if name not in FIELDS]
    if unknown or "type" not in given:
        problem = f"column {unknown[0]!r} is no event field" if unknown else "there is no column 'type'"
        raise SourceError(
            f"{file}: {problem}. Give a mapping (--mapping FILE), or name the columns as event fields: "
            f"{', '.join(FIELDS)}"
        )
    names = [name for name in FIELDS if name in given]
    part = {name: name if name in _OBJECTS else {"column": name} for name in names}
    mapping = Mapping.model_validate({"name": file.name, "events": {"file": file.name, "optional": names, **part}})
    return Source(file.name, mapping, (file,), str(file))
