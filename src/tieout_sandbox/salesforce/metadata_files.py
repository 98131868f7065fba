"""What a deployed zip holds: its manifest and its components, each with the line it stands on."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
MOST_FILES = 10_000
MOST_BYTES = 39 * 1024 * 1024


class NotReadableError(ValueError):
    """The zip as a whole cannot be read; the text is what the vendor would say."""


class XmlError(ValueError):
    """A file is not well-formed; the text says where."""

    def __init__(self, text: str, line: int, column: int) -> None:
        super().__init__(text)
        self.line = line
        self.column = column


@dataclass(slots=True)
class Node:
    """An element with its place."""

    tag: str
    line: int
    column: int
    namespace: str = NAMESPACE
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def get(self, tag: str) -> str | None:
        """The text of the first child of that name, None where there is none."""
        found = next((child for child in self.children if child.tag == tag), None)
        return None if found is None else found.text.strip()

    def all(self, tag: str) -> list[Node]:
        """The children of that name."""
        return [child for child in self.children if child.tag == tag]

    def within(self, tag: str) -> Iterator[Node]:
        """Every element of that name below this one."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.within(tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing that is deployed, as the manifest names it."""

    type: str
    name: str
    file: str
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong, as the vendor lists it."""

    type: str
    name: str
    file: str
    text: str
    line: int = 0
    column: int = 0
    warning: bool = False


@dataclass(slots=True)
class Contents:
    """Components, and what was wrong with files as such."""

    components: list[Component] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    manifest: dict[str, list[str]] = field(default_factory=dict)
    version: str = ""


# Folder and ending of a file → the type of what is in it.
_FOLDERS: Mapping[str, tuple[str, str]] = {
    "objects": (".object", "CustomObject"),
    "permissionsets": (".permissionset", "PermissionSet"),
    "layouts": (".layout", "Layout"),
    "tabs": (".tab", "CustomTab"),
    "globalValueSets": (".globalValueSet", "GlobalValueSet"),
}
# What is written inside an object's file and is a component by itself.
_INSIDE = {"fields": "CustomField", "listViews": "ListView"}


def read_zip(data: bytes) -> Contents:
    """Everything in a zip. NotReadableError where it is none, or has no manifest."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = sorted(name for name in packed.namelist() if not name.endswith("/"))
            if len(names) > MOST_FILES:
                raise NotReadableError(f"Too many files in zip: {len(names)}")
            files = {name: packed.read(name) for name in names}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotReadableError("The zip file could not be read") from error
    files = _without_root(files)
    if "package.xml" not in files:
        raise NotReadableError("No package.xml found")
    found = Contents()
    _manifest(found, files.pop("package.xml"))
    if not found.problems:
        for name, content in files.items():
            _file(found, name, content)
        _compare(found)
    return found


def parse(content: bytes) -> Node:
    """The root element of a file. XmlError where it is not well-formed."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    stack: list[Node] = []
    roots: list[Node] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        node = Node(tag, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1, namespace)
        (stack[-1].children if stack else roots).append(node)
        stack.append(node)

    def end(_name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        if stack:
            stack[-1].text += data

    def doctype(*_arguments: object) -> None:
        raise XmlError("DOCTYPE is disallowed", parser.CurrentLineNumber, 1)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise XmlError(expat.ErrorString(error.code), error.lineno, error.offset + 1) from error
    return roots[0]


def _without_root(files: dict[str, bytes]) -> dict[str, bytes]:
    """Files as if packed at the root; a zip may have one folder around everything."""
    if "package.xml" in files:
        return files
    roots = {name.partition("/")[0] for name in files}
    if len(roots) == 1 and f"{(root := next(iter(roots)))}/package.xml" in files:
        return {name.removeprefix(f"{root}/"): content for name, content in files.items()}
    return files


def _manifest(found: Contents, content: bytes) -> None:
    root = _root(found, "package.xml", content, "Package", "")
    if root is None:
        return
    found.version = root.get("version") or ""
    for types in root.all("types"):
        name = types.get("name") or ""
        members = [member.text.strip() for member in types.all("members")]
        found.manifest.setdefault(name, []).extend(members)


def _file(found: Contents, name: str, content: bytes) -> None:
    folder, _, rest = name.partition("/")
    known = _FOLDERS.get(folder)
    if known is None or not rest.endswith(known[0]):
        text = f"Unknown file: {name}"
        found.problems.append(Problem(type="", name=name, file=name, text=text))
        return
    ending, kind = known
    full = rest.removesuffix(ending)
    root = _root(found, name, content, kind, full)
    if root is None:
        return
    if kind != "CustomObject":
        found.components.append(Component(type=kind, name=full, file=name, node=root))
        return
    if full.endswith("__c") or any(child.tag not in _INSIDE for child in root.children):
        found.components.append(Component(type=kind, name=full, file=name, node=root))
    for child in root.children:
        if child.tag in _INSIDE:
            place = f"{full}.{child.get('fullName') or ''}"
            found.components.append(
                Component(type=_INSIDE[child.tag], name=place, file=name, node=child)
            )


def _root(found: Contents, file: str, content: bytes, tag: str, full: str) -> Node | None:
    """The root element, or None where the file is not one of that kind."""
    kind = "" if tag == "Package" else tag
    try:
        root = parse(content)
    except XmlError as error:
        text = f"Error parsing file: {error} "
        found.problems.append(
            Problem(
                type=kind,
                name=full or file,
                file=file,
                text=text,
                line=error.line,
                column=error.column,
            )
        )
        return None
    if root.tag != tag or root.namespace != NAMESPACE:
        text = f"Unknown type name '{root.tag}' specified in {file}"
        found.problems.append(
            Problem(type=kind, name=full or file, file=file, text=text, line=root.line, column=1)
        )
        return None
    return root


def _compare(found: Contents) -> None:
    """What the manifest names and the zip lacks, and the other way round."""
    have = {(each.type, each.name): each for each in found.components}
    broken = {problem.name for problem in found.problems}
    for kind, members in found.manifest.items():
        for member in members:
            if member != "*" and (kind, member) not in have and member not in broken:
                text = (
                    f"An object '{member}' of type {kind} was named in package.xml, but was not "
                    "found in zipped directory"
                )
                found.problems.append(
                    Problem(type=kind, name=member, file="package.xml", text=text)
                )
    for (kind, name), each in have.items():
        parent = name.partition(".")[0]
        named = found.manifest.get(kind, ())
        inside = kind in _INSIDE.values() and parent in found.manifest.get("CustomObject", ())
        if name not in named and "*" not in named and not inside:
            text = f"{each.file}: {name} of type {kind} is not in package.xml"
            found.problems.append(
                Problem(type=kind, name=name, file=each.file, text=text, warning=True)
            )
