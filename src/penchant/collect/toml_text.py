"""What a TOML text says, checked against a model; what is wrong with it is said with its place."""

from __future__ import annotations

import tomllib
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from penchant.errors import ConfigError

M = TypeVar("M", bound=BaseModel)


def parse_toml(model: type[M], text: str, where: str, page: str) -> M:
    """Return the model that a TOML text says.

    Args:
        model: What is allowed.
        text: TOML.
        where: Names the text in errors.
        page: The page of the documentation that says what is allowed.

    Raises:
        ConfigError: When it is not TOML, or says something unknown.
    """
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "as a whole"
        raise ConfigError(f"{where}: {place}: {first['msg']}; see {page}") from error
