"""
The Salesforce package: its source, as a person edits it, into the zip that an org takes.

The same source gives the same bytes, so that two people can compare what they deploy.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import tieout
from tieout.core.errors import ConfigurationError

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
API_VERSION = "62.0"
OPTIONAL_OBJECTS = ("Order", "Quote")
"""Objects that an org may have switched off: without them the rest of the package still fits."""

_SOURCE = Path("force-app", "main", "default")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_EPOCH = (1980, 1, 1, 0, 0, 0)
# Folder of the source → the file's ending there, the ending in the zip, the type.
_KINDS = {
    "layouts": (".layout-meta.xml", ".layout", "Layout"),
    "permissionsets": (".permissionset-meta.xml", ".permissionset", "PermissionSet"),
    "tabs": (".tab-meta.xml", ".tab", "CustomTab"),
}
# Folder inside an object's → the element in the object's file, the type.
_PARTS = {"fields": ("fields", "CustomField"), "listViews": ("listViews", "ListView")}

Element = ElementTree.Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What an org is given: files by path, and what they hold as (type, full name)."""

    files: tuple[tuple[str, bytes], ...]
    components: tuple[tuple[str, str], ...]
    without: tuple[str, ...] = ()

    def zipped(self) -> bytes:
        """The zip. Nothing of the clock or the machine is in it."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
            for name, content in self.files:
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system = 3
                entry.external_attr = 0o644 << 16
                target.writestr(entry, content)
        return packed.getvalue()

    def count(self, kind: str) -> int:
        """How many components of a type it has."""
        return sum(1 for each, _ in self.components if each == kind)


def source_folder() -> Path:
    """
    Where the source is: inside the installed program, or beside it in a checkout.

    Raises `ConfigurationError` where neither has it.
    """
    inside = Path(tieout.__file__).parent
    for found in (inside / "salesforce_package", inside.parents[1] / "salesforce"):
        if (found / "sfdx-project.json").is_file():
            return found
    raise ConfigurationError(
        "The source of the Salesforce package is not in this installation.",
        code="package_broken",
        hint="Install Tieout again.",
    )


@cache
def field_names() -> frozenset[str]:
    """The fields that the package brings, as `Account.Ar_Balance__c`."""
    objects = source_folder() / _SOURCE / "objects"
    return frozenset(
        f"{path.parents[1].name}.{path.name.removesuffix('.field-meta.xml')}"
        for path in objects.glob("*/fields/*.field-meta.xml")
    )


def build(folder: Path | None = None, *, without: Sequence[str] = ()) -> Package:
    """
    The package of a source folder, ours by default.

    ``without`` are objects that the org does not have (Order, Quote): they are left out with every
    field and right that needs them. Raises `ConfigurationError` that names the broken file.
    """
    root = (folder or source_folder()) / _SOURCE
    left_out = frozenset(without)
    files: dict[str, bytes] = {}
    components: list[tuple[str, str]] = []
    gone = frozenset(_gone(root, left_out))
    for place in sorted((root / "objects").iterdir()):
        if place.name in left_out or not place.is_dir():
            continue
        made = _object(place, gone)
        components.extend(made.components)
        files[f"objects/{place.name}.object"] = _text(made.element)
    for folder_name, (source_end, end, kind) in _KINDS.items():
        for path in sorted((root / folder_name).glob(f"*{source_end}")):
            name = path.name.removesuffix(source_end)
            element = _read(path)
            _prune(element, gone, left_out, name.partition("-")[0])
            files[f"{folder_name}/{name}{end}"] = _text(element)
            components.append((kind, name))
    components.sort()
    files["package.xml"] = _manifest(components)
    return Package(
        files=tuple(sorted(files.items())),
        components=tuple(components),
        without=tuple(sorted(left_out)),
    )


def digest(data: bytes) -> str:
    """What two people compare: SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def describe_zip(data: bytes) -> tuple[tuple[str, str], ...]:
    """
    The components that the manifest of a zip names, for a zip that somebody else made.

    Raises `ConfigurationError` where it is no zip with a manifest.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = [name for name in packed.namelist() if name.endswith("package.xml")]
            content = packed.read(names[0]) if names else None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _broken("The file is not a zip that can be read.") from error
    if content is None:
        raise _broken("The zip has no package.xml.")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314
    except ElementTree.ParseError as error:
        raise _broken(f"package.xml of the zip is not well-formed: {error}.") from error
    found = [
        (_child(types, "name"), (member.text or "").strip())
        for types in root.iter(f"{{{NAMESPACE}}}types")
        for member in types.iter(f"{{{NAMESPACE}}}members")
    ]
    return tuple(sorted(found))


# --- one object ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    element: Element
    components: tuple[tuple[str, str], ...]


def _object(place: Path, gone: frozenset[str]) -> _Object:
    """The object's file with its fields and views in it, as the zip wants it."""
    name = place.name
    own = place / f"{name}.object-meta.xml"
    whole = _read(own) if own.is_file() else Element(f"{{{NAMESPACE}}}CustomObject")
    components = [("CustomObject", name)] if own.is_file() else []
    for folder, (tag, kind) in _PARTS.items():
        for path in sorted((place / folder).glob("*-meta.xml")):
            part = _read(path)
            full = f"{name}.{_child(part, 'fullName')}"
            if full in gone:
                continue
            part.tag = f"{{{NAMESPACE}}}{tag}"
            whole.append(part)
            components.append((kind, full))
    # Elements of one name have to stand together; names in order make two builds equal.
    whole[:] = sorted(whole, key=lambda child: child.tag)
    return _Object(element=whole, components=tuple(components))


def _gone(root: Path, without: frozenset[str]) -> Iterator[str]:
    """Fields that go with objects that are left out: theirs, and those that point at them."""
    for place in sorted((root / "objects").iterdir()):
        for path in sorted((place / "fields").glob("*-meta.xml")):
            field = _read(path)
            if place.name in without or _child(field, "referenceTo") in without:
                yield f"{place.name}.{_child(field, 'fullName')}"


def _prune(element: Element, gone: frozenset[str], without: frozenset[str], owner: str) -> None:
    """Takes out rights and places on a layout that belong to what is left out."""

    def stays(child: Element) -> bool:
        tag = child.tag.removeprefix(f"{{{NAMESPACE}}}")
        if tag == "fieldPermissions":
            return _child(child, "field") not in gone
        if tag == "objectPermissions":
            return _child(child, "object") not in without
        if tag == "layoutItems":
            return f"{owner}.{_child(child, 'field')}" not in gone
        return True

    _keep(element, stays)


def _keep(element: Element, stays: Callable[[Element], bool]) -> None:
    element[:] = [child for child in element if stays(child)]
    for child in element:
        _keep(child, stays)


def _manifest(components: Sequence[tuple[str, str]]) -> bytes:
    package = Element(f"{{{NAMESPACE}}}Package")
    for kind in sorted({kind for kind, _ in components}):
        types = ElementTree.SubElement(package, f"{{{NAMESPACE}}}types")
        for each, name in components:
            if each == kind:
                ElementTree.SubElement(types, f"{{{NAMESPACE}}}members").text = name
        ElementTree.SubElement(types, f"{{{NAMESPACE}}}name").text = kind
    ElementTree.SubElement(package, f"{{{NAMESPACE}}}version").text = API_VERSION
    return _text(package)


# --- files ---------------------------------------------------------------------------------------


def _read(path: Path) -> Element:
    """The root of a source file. Raises `ConfigurationError` with the line that is broken."""
    try:
        # The source is ours, or that of who runs the program.
        return ElementTree.fromstring(path.read_bytes())  # noqa: S314
    except ElementTree.ParseError as error:
        raise _broken(f"{path.name} is not well-formed: {error}.") from error


def _broken(message: str) -> ConfigurationError:
    return ConfigurationError(
        message, code="package_broken", hint="tieout salesforce package --out tieout.zip"
    )


def _child(element: Element, tag: str) -> str:
    return (element.findtext(f"{{{NAMESPACE}}}{tag}") or "").strip()


def _text(element: Element) -> bytes:
    """The element as the vendor writes such files: four spaces, one element a line."""
    name = element.tag.removeprefix(f"{{{NAMESPACE}}}")
    lines = "".join(_lines(child, 1) for child in element)
    return f'{_HEAD}<{name} xmlns="{NAMESPACE}">\n{lines}</{name}>\n'.encode()


def _lines(element: Element, depth: int) -> str:
    indent, name = "    " * depth, element.tag.removeprefix(f"{{{NAMESPACE}}}")
    if len(element):
        inside = "".join(_lines(child, depth + 1) for child in element)
        return f"{indent}<{name}>\n{inside}{indent}</{name}>\n"
    text = (element.text or "").strip()
    return f"{indent}<{name}>{escape(text)}</{name}>\n" if text else f"{indent}<{name}/>\n"
