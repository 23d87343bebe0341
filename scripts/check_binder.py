"""Verifies the folder binder/ without Docker: what repo2docker reads in it, and what an environment made so can do.

    python scripts/check_binder.py [--keep]

binder/README.md says what is checked and what is not. `binder/check` and `make binder-check` install what this script
needs, and run it. Exit status 0: everything was as it should be; else one line on standard error says what was not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PageTimeoutError
from pythons import VERSIONS, find, install, make_environment

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser_harness import (  # noqa: E402  (not installed with the project)
    chromium,
    command,
    jupyter,
    lab_url,
    opened,
    saved,
    wait_until,
)
from tests.notebook_files import write_notebook  # noqa: E402

BUILD = ROOT / "build" / "binder"
TREE = BUILD / "tree"
REPO2DOCKER = "jupyter-repo2docker==2026.4.0"

BASE = ("ipykernel", "ipywidgets", "jupyterlab", "nest-asyncio", "notebook", "jupyter_server", "ipython")
"""The packages of Binder's frozen base whose behaviour the project depends on."""

READ = {
    "the base of the Python in runtime.txt": r"environment-2epy-2d{dashed}-2dlinux",
    "apt.txt": r"apt-get install --yes --no-install-recommends {apt}\b",
    "requirements.txt": r'/bin/pip install --no-cache-dir -r "binder/requirements\.txt"',
    "postBuild": r"^RUN \./binder/postBuild$",
    "start": r'^ENV R2D_ENTRYPOINT="\$\{{REPO_DIR\}}/binder/start"$',
}
"""What of the folder → where it stands in the Dockerfile that repo2docker writes."""

LIMIT_MB = 1024
WAIT_S = 300.0
MB = 1024 * 1024

COUNT_SAMPLES = """() => {
  window.heard = 0;
  const post = MessagePort.prototype.postMessage;
  MessagePort.prototype.postMessage = function (message, ...rest) {
    if (message?.op === "push") window.heard += message.samples.length;
    return post.call(this, message, ...rest);
  };
}"""

RUN_ALL = """() => {
  window.finished = false;
  window.jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.finished = true; });
}"""

PANEL = "import aigw_notebook as aigw\n\npanel = aigw.ChatPanel('openai')\npanel"
STATUS = "document.querySelector('.aigw-chat')?.dataset.status"
LAST = "([...document.querySelectorAll('.aigw-chat-assistant .aigw-chat-text')].at(-1)?.textContent ?? '')"


class Failed(Exception):
    """Binder could not do with the folder what it is for; the message is one line for the person who ran the check."""


def tell(step: str, text: str) -> None:
    """One line of what was found."""
    print(f"{step:12} {text}", flush=True)


# ------------------------------------------------------------------------------------------------- what Binder reads


def copy_tree() -> None:
    """A copy of what a clone of this working tree would have, in `TREE`."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    files = [name for name in names if (ROOT / name).is_file()]
    shutil.rmtree(TREE, ignore_errors=True)
    for name in files:
        (TREE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, TREE / name)
    tell("tree", f"{len(files)} files, as a clone has them")


def wanted_version() -> str:
    """The Python that runtime.txt asks for, as in "3.12"."""
    return (TREE / "binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")


def install_repo2docker() -> Path:
    """The folder of the environment that holds repo2docker, which is kept from run to run."""
    folder = BUILD / "repo2docker"
    if not (folder / "bin" / "jupyter-repo2docker").exists():
        make_environment(Path(sys.executable), folder, REPO2DOCKER)
    return folder


def read_by_repo2docker(folder: Path) -> None:
    """Fail unless repo2docker reads the folder as it is meant."""
    run = [folder / "bin" / "jupyter-repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(run, cwd=TREE, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"repo2docker refused the folder: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
    apt = " ".join((TREE / "binder" / "apt.txt").read_text(encoding="utf-8").split())
    values = {"dashed": wanted_version().replace(".", "-2e"), "apt": re.escape(apt)}
    for what, pattern in READ.items():
        if not re.search(pattern.format(**values), done.stdout, re.MULTILINE):
            raise Failed(f"repo2docker does not read {what} as it is meant: see {REPO2DOCKER} --no-build --debug")
    if len(re.findall(r"\bpip install\b", done.stdout)) != 1:
        raise Failed("repo2docker installs something beside binder/requirements.txt")
    tell("repo2docker", ", ".join(READ))


def base_versions(folder: Path) -> dict[str, str]:
    """The versions that Binder's base has of `BASE`, from the lock file inside repo2docker."""
    name = f"environment.py-{wanted_version()}-linux-64.lock"
    [lock] = folder.glob(f"lib/python*/site-packages/repo2docker/buildpacks/conda/{name}")
    text = lock.read_text(encoding="utf-8")
    found = {package: re.search(rf"/{package}-([\d.]+)-", text) for package in BASE}
    missing = [package for package, match in found.items() if match is None]
    if missing:
        raise Failed(f"Binder's base has no {', '.join(missing)}: change BASE in scripts/check_binder.py")
    return {package: match[1] for package, match in found.items() if match}


# ------------------------------------------------------------------------------------------------- the environment


def interpreter() -> Path:
    """The Python of runtime.txt, else the nearest one; says which."""
    wanted = wanted_version()
    for version in sorted(VERSIONS, key=lambda each: abs(minor(each) - minor(wanted))):
        if found := find(version):
            note = "" if version == wanted else f", since Python {wanted} is not here: the image's own was not tried"
            tell("python", f"{version}{note}")
            return found
    raise Failed(f"there is no Python {wanted} here, nor any other")


def minor(version: str) -> int:
    return int(version.partition(".")[2])


def build_environment(base: dict[str, str]) -> Path:
    """The interpreter of an environment made as the image would be; fails if that changes a version of the base."""
    python = make_environment(interpreter(), BUILD / "environment")
    install(python, *(f"{package}=={version}" for package, version in base.items()))
    install(python, "--requirement", "binder/requirements.txt", cwd=TREE)
    subprocess.run([TREE / "binder" / "postBuild"], cwd=TREE, env=surroundings(python), check=True)
    return python


def check_base(python: Path, base: dict[str, str]) -> None:
    """Fail if the environment has other versions than Binder's base."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    done = subprocess.run([python, "-c", code, *base], capture_output=True, text=True, check=True)
    found = dict(zip(base, done.stdout.split(), strict=True))
    changed = [f"{name} {base[name]} to {found[name]}" for name in base if found[name] != base[name]]
    if changed:
        raise Failed(f"binder/requirements.txt changes what Binder's base has: {', '.join(changed)}")
    tell("base", ", ".join(f"{name} {version}" for name, version in found.items()))


def surroundings(python: Path) -> dict[str, str]:
    """The environment variables of a session: the repository is the home folder, the environment comes first."""
    return {**os.environ, **session_variables(python)}


def session_variables(python: Path) -> dict[str, str]:
    """What of the environment variables is a session's own."""
    return {"HOME": str(TREE), "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}


# ----------------------------------------------------------------------------------------------------- the session


@dataclass
class Memory:
    """The resident memory of the server and its kernels, in MB, at the moment when both together had most."""

    server: float = 0.0
    kernels: float = 0.0

    @property
    def total(self) -> float:
        return self.server + self.kernels

    def take(self, server: psutil.Process) -> None:
        """Look, and keep what was found if it is more."""
        kernels = 0.0
        for child in server.children(recursive=True):
            try:
                kernels += child.memory_info().rss / MB
            except psutil.NoSuchProcess:
                continue
        here = server.memory_info().rss / MB
        if here + kernels > self.total:
            self.server, self.kernels = here, kernels


@contextmanager
def measured() -> Iterator[Memory]:
    """What is measured while the block runs, four times a second; kernels of earlier blocks are waited for."""
    [server] = [child for child in psutil.Process().children() if "jupyterlab" in child.cmdline()]
    psutil.wait_procs(server.children(recursive=True), timeout=30)
    memory, stop = Memory(), Event()

    def look() -> None:
        while not stop.wait(0.25):
            memory.take(server)

    thread = Thread(target=look)
    thread.start()
    try:
        yield memory
    finally:
        stop.set()
        thread.join()


def run_notebook(browser: Browser, lab: str, path: Path, url: str) -> tuple[Any, int]:
    """The notebook after all its cells have run in a page, and the count of samples that were played there."""
    with opened(browser, url, f"binder-{path.stem}") as page:
        page.evaluate(COUNT_SAMPLES)
        page.evaluate(RUN_ALL)
        try:
            page.wait_for_function("() => window.finished", timeout=WAIT_S * 1000)
        except PageTimeoutError:
            picture = f"build/browser/binder-{path.stem}.png"
            raise Failed(f"{path.name} had not ended after {WAIT_S:g} s: see {picture}") from None
        return saved(page, path), page.evaluate("() => window.heard")


def check_outputs(path: Path, notebook: Any, samples: int) -> int:
    """The count of players that the notebook holds; fails if a cell did, or if cells that ask made no sound.

    What is asked through a panel may be over before its page could play it; `check_panel` waits for that sound.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    for output in outputs:
        if output.output_type == "error":
            raise Failed(f"a cell of {path.name} failed: {output.ename}: {output.evalue}")
        if output.get("name") == "stderr":
            raise Failed(f"a cell of {path.name} complained: {output.text.strip().splitlines()[-1]}")
    if not all(cell.execution_count for cell in cells):
        raise Failed(f"not all cells of {path.name} were run")
    players = sum("".join(output.get("data", {}).get("text/html", "")).count("<audio") for output in outputs)
    asks = any(cell.source.startswith("%%aigw") for cell in cells)
    if asks and not players and not samples:
        raise Failed(f"{path.name} ran without a sound")
    return players


def check_memory(name: str, memory: Memory) -> str:
    """What a notebook took, as a text; fails above the limit."""
    if memory.total > LIMIT_MB:
        raise Failed(f"{name} took {memory.total:.0f} MB, more than {LIMIT_MB}")
    return f"{memory.total:.0f} MB (server {memory.server:.0f}, kernel {memory.kernels:.0f})"


def badge_path() -> str:
    """What the badge opens, as the path behind the server's address."""
    text = (TREE / "binder" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"https://mybinder\.org/v2/gh/[^)\s]+\?urlpath=([^)\s]+)", text)
    if not found:
        raise Failed("binder/README.md has no badge")
    return found[1]


def check_notebooks(browser: Browser, lab: str) -> list[Memory]:
    """Run each notebook with a kernel of its own, the badge's by the badge's address, and give what each took."""
    taken = []
    badge = badge_path()
    if not (TREE / badge.removeprefix("lab/tree/")).is_file():
        raise Failed(f"the badge opens {badge}, which is not there")
    for path in sorted((TREE / "notebooks").glob("*.ipynb")):
        inside = path.relative_to(TREE).as_posix()
        url = f"{lab}/{badge}" if badge.endswith(inside) else lab_url(lab, inside)
        with measured() as memory:
            notebook, samples = run_notebook(browser, lab, path, url)
        players = check_outputs(path, notebook, samples)
        sound = f"{players} players, {samples / 48_000:.1f} s played"
        tell("notebook", f"{path.stem}: {sound}, {check_memory(path.stem, memory)}")
        taken.append(memory)
    return taken


def check_panel(browser: Browser, lab: str) -> None:
    """Type a question into a chat panel, and see and hear the answer."""
    path = write_notebook(TREE / "notebooks", "panel.ipynb", PANEL)
    with measured() as memory, opened(browser, lab_url(lab, "notebooks/panel.ipynb"), "binder-panel") as page:
        page.evaluate(COUNT_SAMPLES)
        command(page, "notebook:run-all-cells")
        wait_until(page, f"() => {STATUS} === 'ready'")
        box = page.locator(".aigw-chat-composer textarea").first
        box.fill("What is the capital of Portugal?")
        box.press("Enter")
        answer = answer_in(page)
    path.unlink()
    tell("panel", f"{answer!r}, heard as well, {check_memory('the panel', memory)}")


def answer_in(page: Page) -> str:
    """The panel's answer, once it is whole and has begun to sound."""
    wait_until(page, f"() => {LAST}.includes('Lisbon') && window.heard > 4800 && {STATUS} === 'ready'")
    return str(page.evaluate(f"() => {LAST}"))


def check(keep: bool) -> None:
    """All of it, in order."""
    copy_tree()
    tool = install_repo2docker()
    read_by_repo2docker(tool)
    base = base_versions(tool)
    kept = BUILD / "environment" / "bin" / "python"
    python = kept if keep and kept.exists() else build_environment(base)
    check_base(python, base)
    launch = (TREE / "binder" / "start", python)
    own = {**session_variables(python), "AIGW_NOTEBOOK_LOG": "on"}
    with jupyter("lab", TREE, own, launch) as lab, chromium() as browser:
        taken = check_notebooks(browser, lab)
        check_panel(browser, lab)
    everything = max(memory.server for memory in taken) + sum(memory.kernels for memory in taken)
    tell("memory", f"{everything:.0f} MB if the kernels of all {len(taken)} notebooks were left running")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="take the environment of the last run, if there is one")
    chosen = parser.parse_args(arguments)
    try:
        check(chosen.keep)
    except Failed as error:
        print(f"binder/check: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"binder/check: {' '.join(map(str, error.cmd))} ended with {error.returncode}", file=sys.stderr)
        return 1
    print("An image was not built: this is all that can be known without Docker.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
