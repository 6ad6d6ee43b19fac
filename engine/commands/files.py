"""Commands that make files: render, motion, sheet, identities."""

import argparse

from engine.commands.options import add, make_common, make_picture, read_config


def add_render(commands) -> None:
    """`visema render`"""
    render = add(commands, "render", "a sound file to a film of the face", _render, make_picture())
    render.add_argument("source", metavar="IN", help="WAV, FLAC, MP3, Opus, or a film with sound")
    render.add_argument("target", metavar="OUT",
                        help="a film (.mp4, .mkv, .webm), or PNG pictures and a WAV: OUT_%%05d.png or a folder")
    render.add_argument("--stats", metavar="FILE.json", help="write speed and settings")
    render.add_argument("--buffers", metavar="DIR",
                        help="also masks, normals, uv and depth of every picture (npz), explained in the README")
    render.add_argument("--quiet", action="store_true", help="no progress bar")


def add_motion(commands) -> None:
    """`visema motion`"""
    motion = add(commands, "motion", "a sound file to coefficients (npz)", _motion, make_common())
    motion.add_argument("source", metavar="IN")
    motion.add_argument("target", metavar="OUT.npz")
    motion.add_argument("--quiet", action="store_true", help="no progress bar")


def add_sheet(commands) -> None:
    """`visema sheet`"""
    sheet = add(commands, "sheet", "contact sheets: visemes, emotions, angles, close-ups", _sheet, make_picture())
    sheet.add_argument("target", metavar="OUT_DIR", help="a folder; --identity all draws everybody")
    sheet.add_argument("--clips", action="store_true", help="also a film of 10 s of each person speaking the sample")


def add_identities(commands) -> None:
    """`visema identities`"""
    identities = add(commands, "identities", "the persons that are ready", _identities, make_picture())
    identities.add_argument("--picture", metavar="OUT.png", help="draw them")


def _render(options: argparse.Namespace) -> None:
    from engine.offline import render_file

    render_file(read_config(options), options.source, options.target, options.stats, options.quiet, options.buffers)


def _motion(options: argparse.Namespace) -> None:
    from engine.offline import write_motion

    write_motion(read_config(options), options.source, options.target, options.quiet)


def _sheet(options: argparse.Namespace) -> None:
    from engine.offline import write_sheet

    write_sheet(read_config(options), options.target, options.clips)


def _identities(options: argparse.Namespace) -> None:
    from engine.offline import write_people

    write_people(read_config(options), options.picture)
