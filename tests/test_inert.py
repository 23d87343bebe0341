"""What a model writes as Markdown: nothing of it runs or loads, and code between fences stays what it is."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigw_notebook.inert import WORD_JOINER, inert

SCRIPT = "<script>go()</script>"
RUNS = {"script", "img", "onerror", "onclick"}
CODE = "Look:\n\n```html\n<b>bold</b> ![x]\n```\n\nand\n\n~~~~\n```\n<i>\n~~~~\n"


class Tags(HTMLParser):
    """The names of the elements that a page has, and of their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attrs)}


def tags(text: str) -> set[str]:
    """As nbconvert's own Markdown makes them."""
    from nbconvert.filters.markdown import markdown2html

    return Tags(markdown2html(text)).found


def test_the_judge_sees_what_runs() -> None:
    assert {"script", "img", "onerror", "src"} <= tags(f"{SCRIPT}\n\na <img src=x onerror=go()> ![b](http://x)")


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT,
        "Hello <img src=x onerror=go()> there",
        "![a](https://example.com/?words)",
        "a `b` <img src=x onerror=go()>",
        f"    code\n{SCRIPT}",
        f"- a\n  ```\n{SCRIPT}",
        f"> ```\n{SCRIPT}",
        f" ```\n```\n{SCRIPT}",
        f"```\na\n ```\n{SCRIPT}",
        f"``` a`b\n{SCRIPT}",
        f"$$\n```\n$$\n{SCRIPT}\n```\n",
        f"```\r{SCRIPT}\r```\r{SCRIPT}",
        "<!-- --!><img src=x onerror=go()>",
        "<a\nhref=x onclick=go()>b</a>",
    ],
)
def test_nothing_runs_and_nothing_is_loaded(text: str) -> None:
    assert not tags(inert(text)) & RUNS


PIECES = [
    *(
        "```",
        "~~~",
        "````",
        "`",
        "\n",
        "\n",
        " ",
        "    ",
        "\t",
        "- ",
        "1. ",
        "> ",
        "# ",
        "*",
        "$",
        "$$",
        "\\",
        "\\begin{x}",
    ),
    *(SCRIPT, "<img src=x onerror=go()>", "![a](http://x)", "[a]: ", "&lt;", "<!--", "-->", "<pre>", "x"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_nothing_runs_however_it_is_put_together(pieces: list[str]) -> None:
    assert not tags(inert("".join(pieces))) & RUNS


def test_code_between_fences_is_left_alone() -> None:
    assert inert(CODE) == CODE


def test_words_are_left_alone() -> None:
    text = "**Bold**, 3 < 4, a <- b, `x`, [link](https://example.com)\n\n* one!\n* two"
    assert inert(text) == text


def test_html_reads_as_it_was_written() -> None:
    assert inert("Use <b> here") == "Use &lt;b> here"
    assert inert("Use `<b>` here") == f"Use `<{WORD_JOINER}b>` here"
    assert inert("Look ![a](http://x)") == f"Look !{WORD_JOINER}[a](http://x)"
