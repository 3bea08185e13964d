"""What the fields of a model mean: the text that stands below each of them in the source.

Pydantic can read it too, but does so whenever a process starts; it is wanted only where a schema is written.
"""

import ast
import inspect
import textwrap

from .model_base import Model


def descriptions(model: type[Model]) -> dict[str, str]:
    """Return the description of every field that has one, by name; those of bases included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Model):
            found |= _in_source(base)
    return found


def _in_source(model: type[Model]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }
