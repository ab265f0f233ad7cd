"""``quizd quiz``: quizzes in the store."""

from typing import Annotated

import typer

from quizd.cli.common import ConfigFile, DataDir, or_fail, overrides, read_settings

quiz = typer.Typer(no_args_is_help=True, help="Quizzes: import and list them.")


@quiz.command("import")
def import_files(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Quiz files (JSON), or shipped names."),
    ],
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Check quiz files and store them; with one that is wrong none is stored.

    A name that is no file is looked for among the quizzes that quizd ships.
    """
    from quizd.shelf import import_quizzes

    settings = read_settings(config, overrides(data_dir=data_dir))
    or_fail(lambda: import_quizzes(settings, files, typer.echo))


@quiz.command("list")
def list_all(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="List what quizd ships instead.")
    ] = False,
) -> None:
    """List the stored quizzes, or those that quizd ships."""
    from quizd.shelf import list_quizzes, list_shipped

    settings = read_settings(config, overrides(data_dir=data_dir))
    if shipped:
        list_shipped(typer.echo)
    else:
        or_fail(lambda: list_quizzes(settings, typer.echo))
