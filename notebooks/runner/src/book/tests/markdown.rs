//! Formulas, links, images, headings, Chinese.

use std::fs;

use pulldown_latex::config::DisplayMode;
use serde_json::json;

use super::{contains, md, page, page_and_faults, source};
use crate::book::{math, render};

#[test]
fn formulas_become_mathml_in_lines_blocks_headings_tables_and_summaries() {
    let page = page(&[md(
        "# A $x$\n\n## The $\\sum_i w_i$ rule\n\nInline $a < b \\& c$.\n\n$$\n\\begin{aligned} a &= b \\\\ &= c \\end{aligned}\n$$\n\n\
        $$\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}$$\n\n| $\\eta$ | b |\n|---|---|\n| 1 | 2 |\n\n> **提要** 步长 $\\gamma$。",
    )]);
    contains(
        &page,
        &[
            "<mtable",
            "<mo>&lt;</mo>",
            "<math display=\"block\">",
            "<span class=\"formula\"><math",
            "<td",
            "<mi>η</mi>",
            "<mi>γ</mi>",
        ],
    );
    assert_eq!(
        page.matches("<mo>∑</mo>").count() + page.matches(">∑</mo>").count(),
        3,
        "the heading and both contents"
    );
    assert!(!page.contains("\\begin") && !page.contains("merror"));
}

#[test]
fn a_formula_that_cannot_be_read_is_shown_marked_and_reported() {
    let (page, faults) =
        page_and_faults(&[md("# A"), md("See $\\frac{1}{2} \\undefinedcommand <b>$ and $x$."), md("$$ \\left( x $$")]);
    contains(&page, &["<code class=\"fault\"", "\\frac{1}{2} \\undefinedcommand &lt;b&gt;</code>", "<mi>x</mi>"]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].starts_with("a 2: the formula `\\frac{1}{2} \\undefinedcommand <b>` cannot be read ("),
        "{}",
        faults[0]
    );
    assert!(faults[1].starts_with("a 3: the formula `\\left( x` cannot be read ("), "{}", faults[1]);
}

#[test]
fn a_formula_without_dollars_is_reported() {
    let (_, faults) =
        page_and_faults(&[md("\\begin{align} a &= b \\end{align}"), md("$$ a\n\nb $$"), md("`\\begin{x}` and `$$`")]);
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(
        faults[0].contains("a 1: `\\begin{align}") && faults[0].contains("put `$$` before and after it"),
        "{}",
        faults[0]
    );
}

#[test]
fn no_formula_makes_the_reader_panic() {
    let parts = [
        "\\frac",
        "{",
        "}",
        "\\left(",
        "\\right.",
        "^",
        "_",
        "\\begin{matrix}",
        "\\end{matrix}",
        "&",
        "\\\\",
        "x",
        "$",
        "\\",
        "\\text{",
        "%",
        "#",
        "\\sqrt[",
        "]",
        "\\color{",
        "\\operatorname{<script>}",
        "'",
        "\\def\\a{\\a}",
        "\\a",
        "\u{0}",
        "感",
        "\\limits",
        "\\not",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut tex = String::new();
        for _ in 0..8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            tex.push_str(parts[(state >> 33) as usize % parts.len()]);
        }
        let _ = math::render(&tex, DisplayMode::Inline);
    }
    for deep in [
        "\\sqrt",
        "\\hat",
        "\\mathbf",
        "{",
        "\\left(",
        "\\frac{",
        "x^{",
        "\\text{",
        "\\sqrt[",
        "\\begin{matrix}",
        "\\not",
        "'",
    ] {
        let tex = deep.repeat(math::MAX_LENGTH / deep.len());
        let _ = math::render(&tex, DisplayMode::Block);
        let long = math::render(&deep.repeat(10_000), DisplayMode::Block);
        assert!(long.is_err() && (deep.len() == 1 || long.unwrap_err().contains("split it")), "{deep}");
    }
}

#[test]
fn links_lead_to_pages_and_images_come_along() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("my figure.png"), b"png").unwrap();
    let text = "# A\n\n[b](./02_b.ipynb#What-is-it?) [c](99_none.ipynb) [d](https://example.org/x.ipynb) [e](#A) [f](mailto:a@b.c)\n\n\
        ![figure 图](my%20figure.png) ![again](my%20figure.png) ![far](https://example.org/y.png) ![gone](gone.png) <img src=\"my figure.png\" width=\"30\">\n\n\
        ![up](../../etc/passwd) ![in](attachment:z.png) ![not](attachment:q.png)";
    let mut cell = md(text);
    cell["attachments"] = json!({ "z.png": { "image/png": "iVBORw0KGgo=\n" } });
    let out = folder.path().join("book");
    let error =
        render(&[source("a", folder.path(), &[cell]), source("02_b", folder.path(), &[md("# B")])], &out).unwrap_err();
    let page = fs::read_to_string(out.join("a.html")).unwrap();
    contains(
        &page,
        &[
            "<a href=\"02_b.html#What-is-it?\">b</a>",
            "<span title=\"not in this book\">c</span>",
            "<a href=\"https://example.org/x.ipynb\">d</a>",
            "<a href=\"#A\">e</a>",
            "<a href=\"mailto:a@b.c\">f</a>",
            "<img src=\"images/a-1.png\" alt=\"figure 图\">",
            "<img src=\"images/a-1.png\" alt=\"again\">",
            "<a href=\"https://example.org/y.png\">far</a>",
            "<img src=\"images/a-1.png\" width=\"30\">",
            "<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"in\">",
            "<img alt=\"gone\">",
        ],
    );
    assert_eq!(fs::read(out.join("images/a-1.png")).unwrap(), b"png");
    let message = error.to_string();
    contains(
        &message,
        &["a, cell 1: there is no image \"gone.png\"", "\"../../etc/passwd\"", "\"attachment:q.png\" in the cell"],
    );
    assert_eq!(message.lines().next(), Some("the book has 3 faults:"), "{message}");
}

#[test]
fn headings_get_the_ids_that_jupyterlab_gives_and_make_the_contents() {
    let text = "# The *title*\n\n## Why it fails? 为什么\n\n### A `Vec<f64>`\n\n## main\n\n## Why it fails? 为什么\n\n#### Deep";
    let page = page(&[md(text), md("## 100%")]);
    contains(
        &page,
        &[
            "<title>The title · mlnotes</title>",
            "<h2 id=\"Why-it-fails?-为什么\">",
            "<h3 id=\"A-Vec&lt;f64&gt;\">",
            "<h2 id=\"main-1\">",
            "<h2 id=\"Why-it-fails?-为什么-1\">",
            "<h2 id=\"100%\">",
            "href=\"#100%25\"",
            "<li><a href=\"#Why-it-fails?-为什么\">Why it fails? <span lang=\"zh-Hans\">为什么</span></a><ol><li>\
         <a href=\"#A-Vec&lt;f64&gt;\">A <code>Vec&lt;f64&gt;</code></a></li></ol></li>",
        ],
    );
    assert_eq!(page.matches("id=\"main\"").count(), 1);
    assert!(!page.contains("href=\"#Deep\">Deep"));
}

#[test]
fn chinese_says_that_it_is_and_summaries_stand_aside() {
    let page = page(&[md(
        "# A\n\n> **提要** 感知机。\n\nThe perceptron (感知机，又称“感知器”) learns.\n\n> plain\n\n```rust\nlet 数 = \"值\";\n```",
    )]);
    contains(
        &page,
        &[
            "<blockquote class=\"summary\" lang=\"zh-Hans\">",
            "(<span lang=\"zh-Hans\">感知机，又称</span>“<span lang=\"zh-Hans\">感知器</span>”)",
            "<blockquote>\n<p>plain",
            "数",
        ],
    );
}

#[test]
fn details_lists_tables_and_footnotes_of_a_cell_hold_together() {
    let page = page(&[
        md(
            "# A\n\n<details><summary>Solution 解</summary>\n\nBecause $x$:\n\n```rust\nlet x = 1;\n```\n\n| a |\n|--:|\n| 1 |\n\n</details>\n\n- [x] done\n- [ ] not\n\nNote[^1] ~~gone~~\n\n[^1]: first",
        ),
        md("Again[^1]\n\n[^1]: second"),
        md("<details><summary>never closed</summary>"),
        md("## After"),
    ]);
    contains(
        &page,
        &[
            "<details><summary>Solution",
            "</code></pre>",
            "<div class=\"wide\"><table>",
            "<td style=\"text-align: right\">1</td>",
            "aria-label=\"done\">☑</span>",
            "<del>gone</del>",
            "href=\"#_note-1-1\"",
            "id=\"_note-2-1\"",
        ],
    );
    let after = page.find("id=\"After\"").unwrap();
    assert_eq!(page[..after].matches("<details").count(), page[..after].matches("</details>").count());
}
