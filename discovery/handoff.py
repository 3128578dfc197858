"""The command for the handoff: write it, take a filled one back, export it.

    python -m discovery.handoff RUN
    python -m discovery.handoff RUN --out FOLDER
    python -m discovery.handoff RUN --read FILLED.csv
    python -m discovery.handoff RUN --read types.xlsx
    python -m discovery.handoff RUN --out FOLDER --format coco
    python -m discovery.handoff RUN --read LABEL_STUDIO.json

The format of handoff.csv and handoff.json is described in docs/handoff-format.md.
"""

import getpass
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import tyro

from discovery.flow.refresh import publish_sheets
from discovery.formats.folder_names import FolderLayout
from discovery.formats.grey_levels import read_grey_levels
from discovery.formats.handoff import Taken, decide_handoff, read_handoff
from discovery.formats.origins import read_origins
from discovery.formats.picture_folders import Exported
from discovery.formats.read_back import ReadFormat
from discovery.formats.type_sheet import TypesTaken, is_type_sheet
from discovery.ledger import read_decisions, replay_decisions
from discovery.records import Handoff
from discovery.runs import CLUSTERING, HANDOFF_CSV, LEDGER, TYPES_CSV, TYPES_XLSX, Run, open_run
from discovery.stages.export import Format, check_export, export_handoff, fill_klarfs
from discovery.stages.handoff_io import absorb_handoff, compose_handoff, publishing, take_back
from discovery.stages.type_sheet_io import absorb_types, compose_types, read_types, take_types
from embeddings.alike_faults import tell_faults
from embeddings.console import get_logger, run_command, say
from embeddings.errors import HandoffError, OptionError
from embeddings.files import is_writable, write_bytes
from embeddings.plurals import tell_count

_WITH_PICTURES = ("imagefolder", "fiftyone")
_PROG = "python -m discovery.handoff"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffOptions:
    """Write the handoff and the sheet of types of a run, take filled ones back, or export.

    What was typed into the run's own handoff.csv, types.csv or types.xlsx is taken back first; then
    they and the report are written anew.

    Attributes
    ----------
    run : Path
        Folder that discovery.cluster made.
    out : Path or None
        Folder to write into, beside the run's own files.
    read : Path or None
        A filled handoff (its CSV, its JSON, or their folder), a filled types.csv or types.xlsx, an
        export of Label Studio (JSON or JSON-MIN) or an ImageFolder that was sorted anew: what it
        says goes into the ledger before anything is written. Every row is checked first.
    read_format : str
        What --read is, where that is not to be told from it.
    format : str
        imagefolder, coco and fiftyone take the labelled images only.
    folders : {"flat", "nested"}
        With --format imagefolder: one folder a label, which tools take for a class, or one a level
        of it, one in the other.
    originals : bool
        Pictures of more than 8 bits are written as 8-bit ones, which is what most tools can show;
        with this option they are also kept as they were, in the folder OUT-originals beside.
    by : str or None
        Who decided, where the column decided_by does not say; by default the user's name.
    klarf : tuple of Path
        With --format klarf, the KLARF that the images came from (several, where there were); by
        default what the store notes. It is written again with its classes filled in.
    klarf_column : str
        The column that the class numbers go into: FINEBINNUMBER, MANSEMCLASS, AUTOOFFSEMCLASS...
    klarf_classes : Path or None
        A CSV with the columns label and number, for labels that are no class of the KLARF.
    """

    run: tyro.conf.Positional[Path]
    out: Path | None = None
    read: Path | None = None
    read_format: ReadFormat = "auto"
    format: Format = "csv"
    folders: FolderLayout = "flat"
    originals: bool = False
    by: str | None = None
    klarf: tuple[Path, ...] = ()
    klarf_column: str = "CLASSNUMBER"
    klarf_classes: Path | None = None

    def __post_init__(self) -> None:
        if self.out is None and self.format != "csv":
            raise OptionError(f"--format {self.format} needs --out FOLDER to write into")
        if self.format != "klarf" and self.fills_klarf:
            raise OptionError(f"--klarf options are for --format klarf, not {self.format}")

        if self.folders != "flat" and self.format != "imagefolder":
            raise OptionError(f"--folders is for --format imagefolder, not {self.format}")
        if self.originals and self.format not in _WITH_PICTURES:
            raise OptionError(
                f"--originals is for --format {' or '.join(_WITH_PICTURES)}, not {self.format}"
            )

    @property
    def fills_klarf(self) -> bool:
        """Whether an option is given that is for a KLARF that is there."""
        return bool(self.klarf or self.klarf_classes or self.klarf_column.upper() != "CLASSNUMBER")


def main(options: HandoffOptions) -> None:
    """Take back what was filled in, then write; the last line says where."""
    run = open_run(options.run)
    now = datetime.now(UTC)
    to_the_run_itself = options.out is None or _is_same(options.out, run.path)
    if options.out is not None and not to_the_run_itself:
        check_export(options.out, options.format)
    run.check(CLUSTERING)  # of which all that is written below is made
    if not to_the_run_itself and options.read is None and not is_writable(run.path):
        handoff = _compose_unwritten(run)
    else:
        with publishing(run):  # a review may be open on it
            _take_all(run, options, at=now.isoformat(timespec="seconds"))
            handoff = publish_sheets(run)
    written = Exported(path=run.path / HANDOFF_CSV, images=len(handoff), left_out=0)
    if options.out is not None and not (options.format == "csv" and to_the_run_itself):
        # Another tool's files hold no labels that a person typed.
        if options.format == "csv":
            _refuse_unread(run, handoff, options.out)
            for name, data in compose_types(run).items():
                write_bytes(options.out / name, data)
        written = _export(run, handoff, options.out, options=options, at=now)
    _say_written(written, run, handoff)


def _compose_unwritten(run: Run) -> Handoff:
    """Compose the handoff of a run that cannot be written to: what its ledger says goes out."""
    typed = [one for one in (HANDOFF_CSV, TYPES_CSV, TYPES_XLSX) if run.is_edited(one)]
    unread = f"; what was typed into its {' and '.join(typed)} is left out" if typed else ""
    get_logger().warning(
        "WARNING: %s cannot be written to: what is in its ledger is exported%s", run.path, unread
    )
    return compose_handoff(run)


def _take_all(run: Run, options: HandoffOptions, *, at: str) -> None:
    """Take back what was typed into the run's own files, then the file that was given."""
    by = options.by or _find_user()
    own = run.path / HANDOFF_CSV
    done = []
    # What was typed into the run's own files would be written over by the caller.
    absorbed = absorb_handoff(run, by=by, at=at)
    if absorbed is not None:
        _say_taken(absorbed, own)
        done.append(own)
    for path, types in absorb_types(run, by=by, at=at).items():
        _say_types(types, path)
        done.append(path)
    # The same file is not taken back twice: its second reading would find nothing new.
    if options.read is None or any(_is_same(options.read, path) for path in done):
        return
    kind = options.read_format
    if kind == "auto" and is_type_sheet(options.read):
        _say_types(take_types(run, options.read, by=by, at=at), options.read)
    else:
        _say_taken(take_back(run, options.read, by=by, at=at, read_format=kind), options.read)


def _export(
    run: Run, handoff: Handoff, out: Path, *, options: HandoffOptions, at: datetime
) -> Exported:
    if options.format in _WITH_PICTURES:
        return export_handoff(
            handoff, out, options.format, at=at, grey=read_grey_levels(run),
            layout=options.folders, originals=options.originals,
        )  # fmt: skip
    if options.format not in ("coco", "klarf"):
        return export_handoff(handoff, out, options.format, at=at)
    origins = read_origins(run)
    klarfs = options.klarf or tuple(sorted(set(origins.klarfs.values())))
    if options.format == "klarf" and klarfs:
        return fill_klarfs(
            handoff,
            out,
            klarfs,
            # A KLARF that is named holds, wherever it was when the images were read.
            origins=replace(origins, klarfs={}) if options.klarf else origins,
            column=options.klarf_column,
            classes=options.klarf_classes,
        )
    if options.fills_klarf:
        raise OptionError(
            "the store notes no KLARF that the images came from: say which with --klarf FILE"
        )
    return export_handoff(handoff, out, options.format, at=at, origins=origins)


def _say_taken(taken: Taken, path: Path) -> None:
    say(
        f"{path}: {tell_count(taken.labelled, 'image')} labelled, "
        f"{tell_count(taken.withdrawn, 'label')} withdrawn, {taken.kept} left as decided before, "
        f"{tell_count(taken.overruled, 'newer decision')} overruled, {taken.rewritten} rewritten "
        "by the spreadsheet and left as decided"
    )
    # One row a proposal was meant for the proposal, as often as not.
    single = [one for one in taken.decisions if one.proposal_id and len(one.image_ids) == 1]
    if len(single) > 1 and len({one.proposal_id for one in single}) == len(taken.decisions):
        say(
            f"one image each of {len(single)} proposals was labelled and no other: a whole "
            f"proposal is named by one row of {TYPES_CSV} or {TYPES_XLSX}"
        )
    strangers = [(stranger, "no image of this run") for stranger in taken.strangers]
    tell_faults(strangers, what=str(path))
    if taken.strangers:
        strange = tell_count(len(taken.strangers), "labelled image")
        say(f"{path}: left out: {strange} not of this run")


def _say_types(taken: TypesTaken, path: Path) -> None:
    say(
        f"{path}: {tell_count(taken.named, 'proposed type')} named, {taken.judged} split, "
        f"rejected or put off, {taken.kept} left as decided before, "
        f"{tell_count(taken.overruled, 'newer decision')} overruled, {taken.rewritten} rewritten "
        "by the spreadsheet and left as decided"
    )
    split = sum(one.verdict == "split" for one in taken.decisions)
    if split:
        say(
            f"{tell_count(split, 'proposed type holds', 'proposed types hold')} several types, "
            "and the images have no label yet: divide them in discovery.review, or label the "
            f"images in {HANDOFF_CSV}"
        )


def _say_written(written: Exported, run: Run, handoff: Handoff) -> None:
    tell_faults(written.faults, what="left out")
    if written.left_out or written.faults:
        say(
            f"left out: {tell_count(written.left_out, 'row')} without a label, "
            f"{tell_count(len(written.faults), 'unreadable image')}"
        )
    for note in written.notes:
        say(note)
    named = {name for kind in handoff.types for name in kind.proposals}
    own = {one.proposal_id for one in run.load_proposals()}
    say(
        f"{tell_count(written.images, 'image')} written; {len(named & own)} of "
        f"{tell_count(len(own), 'proposed type')} named, "
        f"{tell_count(len(handoff.types), 'label')}, {len(handoff.labelled)} of "
        f"{tell_count(len(handoff), 'image has', 'images have')} one"
    )
    say(str(written.path))


def _refuse_unread(run: Run, handoff: Handoff, folder: Path) -> None:
    """Refuse to write over a sheet that holds what is in no ledger."""
    decided = replay_decisions(read_decisions(run.path / LEDGER))
    now = datetime.now(UTC).isoformat()
    for name in (HANDOFF_CSV, TYPES_CSV, TYPES_XLSX):
        path = folder / name
        if not path.exists():
            continue
        try:
            # What would become a decision if it were read is in no ledger yet.
            if name == HANDOFF_CSV:
                returned = read_handoff(path, written=handoff)
                unread = decide_handoff(returned, decided, by="", at=now).decisions
            else:
                unread = read_types(run, path, by="", at=now).decisions
        except HandoffError as error:
            raise OptionError(
                f"{path} is in the way and cannot be read ({error}): give another folder"
            ) from error
        if unread:
            raise OptionError(
                f"{path} holds labels that are in no ledger: read it with --read first, "
                "or give another folder"
            )


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have no name
        raise OptionError("your user has no name: say who decided with --by NAME") from error


if __name__ == "__main__":
    sys.exit(run_command(main, HandoffOptions, prog=_PROG))
