import pytest

from dashboard.text import as_html, as_label, one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("nul\x00", "nul␀"),
        ("\x1b[31m", "␛[31m"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\u200bb", "a⟨U+200B⟩b"),
        ("\ud800", "⟨U+D800⟩"),
        ("del\x7f", "del␡"),
        ("line\none\ttab", "line\none\ttab"),
        ("\u2028", "⟨U+2028⟩"),
    ],
)
def test_what_cannot_be_seen_is_shown(text, shown):
    assert visible(text) == shown


def test_scripts_and_emoji_stay_whole():
    text = "ünï 日本 नमस्ते क्\u200dष \U0001f468\u200d\U0001f469"
    assert visible(text) == text


def test_one_line_is_one_line_and_no_longer_than_asked():
    assert one_line("a\nb\tc") == "a⏎b c"
    assert one_line("x" * 100, 10) == "x" * 9 + "…"
    assert one_line("x" * 10, 10) == "x" * 10
    assert len(one_line("x" * 100)) == 60


def test_html_is_escaped_in_and_out_of_quotes():
    assert as_html("<b title=\"'&") == "&lt;b title=&quot;&#x27;&amp;"


def test_markdown_is_escaped():
    assert as_label("*a* [b](c) :red[d] `e` $f$ <g>") == (r"\*a\* \[b\]\(c\) \:red\[d\] \`e\` \$f\$ \<g\>")


def test_addresses_are_broken_by_a_joiner_as_markdown_would_make_links_of_them():
    assert as_label("HTTPS://a www.b c@d.e") == "HTTPS\\:\u2060//a www\u2060\\.b c@\u2060d\\.e"
    assert as_label("pass@1. http: w.w") == "pass@1\\. http\\: w\\.w"


def test_what_streamlit_would_replace_between_spaces_is_broken_by_a_joiner():
    assert as_label("-- -> <- >= <= ~= <->") == " ".join(
        [r"\-⁠\-", r"\-⁠\>", r"\<⁠\-", r"\>⁠\=", r"\<⁠\=", r"\~⁠\=", r"\<⁠\-\>"]
    )
    assert as_label("a--b x->y --x") == r"a\-\-b x\-\>y \-\-x"  # within words nothing is replaced


def test_a_line_that_ends_as_on_windows_ends_once():
    assert one_line("a\r\nb") == "a⏎b"
    assert one_line("a\rb") == "a␍b"
