use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{BookError, Source, clean, code, css, render};
use crate::notebook::Notebook;

fn md(text: &str) -> Value {
    json!({ "cell_type": "markdown", "metadata": {}, "source": text })
}

fn code(source: &str, outputs: Value) -> Value {
    json!({ "cell_type": "code", "metadata": {}, "source": source, "outputs": outputs, "execution_count": 3 })
}

fn shown(mime: &str, text: &str) -> Value {
    let mut data = serde_json::Map::new();
    data.insert(mime.into(), text.into());
    json!([{ "output_type": "display_data", "metadata": {}, "data": data }])
}

fn source(name: &str, folder: &Path, cells: &[Value]) -> Source {
    let json = json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells });
    let path = folder.join(format!("{name}.ipynb"));
    Source { name: name.into(), notebook: Notebook::parse(path, &json.to_string()).unwrap() }
}

/// The page of a notebook with these cells, and the faults that came with it.
fn page_and_faults(cells: &[Value]) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("book");
    let result = render(&[source("a", folder.path(), cells), source("02_b", folder.path(), &[md("# B")])], &out);
    let faults = match result {
        Ok(()) => Vec::new(),
        Err(BookError::Faults(faults)) => {
            faults.iter().map(|f| format!("{} {}: {}", f.notebook, f.cell, f.what)).collect()
        }
        Err(error) => panic!("{error}"),
    };
    (fs::read_to_string(out.join("a.html")).unwrap(), faults)
}

fn page(cells: &[Value]) -> String {
    let (page, faults) = page_and_faults(cells);
    assert_eq!(faults, Vec::<String>::new());
    page
}

fn contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

/// Attacks on every way in; none may leave a script, a handler, an active element or a request behind.
const ATTACKS: [&str; 40] = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<img src=\"https://evil.example/pixel.png\">",
    "<img src=\"//evil.example/pixel.png\">",
    "<img srcset=\"https://evil.example/a.png 1x\">",
    "<img src=\"data:text/html;base64,PHNjcmlwdD4=\">",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\" java\tscript:alert(1)\">x</a>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    "<a href=\"vbscript:x\" onclick=\"alert(1)\">x</a>",
    "<svg onload=alert(1)><circle r=1 /></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><script xlink:href=\"https://evil.example/x.js\" /></svg>",
    "<svg><foreignObject><body onload=alert(1)><iframe src=x></iframe></foreignObject></svg>",
    "<svg><use href=\"https://evil.example/a.svg#x\"/><image href=\"https://evil.example/a.png\"/></svg>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
    "<svg><animate attributeName=href values=\"javascript:alert(1)\" /><set attributeName=onload to=alert(1) /></svg>",
    "<svg><rect fill=\"url(https://evil.example/a.svg#p)\" style=\"fill:url(//evil.example/a)\"/></svg>",
    "<svg><style>@import url(https://evil.example/a.css);</style></svg>",
    "<svg><style>rect{fill:url('https://evil.example/a')}</style></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<style>*{background:\\75rl(https://evil.example/a)}</style>",
    "<style>a{}</style\n><script>alert(1)</script>",
    "<style>}body{background:image-set(\"https://evil.example/a\" 1x)}</style>",
    "<p style=\"background-image:url(https://evil.example/a)\">x</p>",
    "<p style=\"background:url(https://evil.example/a);position:fixed;inset:0\">x</p>",
    "<p style=\"--x:url(//evil.example/a);color:expression(alert(1))\">x</p>",
    "<iframe src=\"https://evil.example\"></iframe><iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
    "<form action=\"https://evil.example\"><input name=a><button formaction=\"javascript:alert(1)\">x</button></form>",
    "<textarea></textarea><script>alert(1)</script></textarea>",
    "<title></textarea></title><img title=\"</title><img src=x onerror=alert(1)>\">",
    "<svg></p><style><a title=\"</style><img src=x onerror=alert(1)>\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<math href=\"javascript:alert(1)\"><mi>x</mi></math><math><annotation-xml encoding=text/html><script>alert(1)</script>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
    "<object data=\"https://evil.example/a\"></object><embed src=\"https://evil.example/a\">",
    "<link rel=stylesheet href=\"https://evil.example/a.css\"><meta http-equiv=refresh content=\"0;url=https://evil.example\"><base href=\"https://evil.example/\">",
    "<video src=\"https://evil.example/a\" poster=\"https://evil.example/b\"></video><body background=\"https://evil.example/c\">",
    "<!--><script>alert(1)</script>--><![CDATA[<script>alert(1)</script>]]>",
];

/// What a browser would find in the page, told by a parser and not by a search for words.
fn assert_harmless(html: &str, from: &str) {
    let unchanged = clean::output(html, "x").replace("x-", "");
    for needle in [
        "<script",
        "<iframe",
        "<object",
        "<embed",
        "<form",
        "<input",
        "<link",
        "<meta",
        "<base",
        "<image",
        "<foreign",
        "<set",
        "<animate",
        "<video",
        "<textarea",
        "<noscript",
        "javascript:",
        "evil.example\"",
        "evil.example/",
    ] {
        let found = html.to_lowercase().match_indices(needle).count();
        assert_eq!(found, 0, "{needle} of\n{from}\nis in\n{html}");
    }
    assert!(!is_handled(html), "a handler of\n{from}\nis in\n{html}");
    assert!(!is_handled(&unchanged), "parsed again:\n{unchanged}");
}

/// Whether an element has an attribute `on…`; text and attribute values may say so.
fn is_handled(html: &str) -> bool {
    html.split('<').skip(1).any(|tag| {
        let mut quoted = tag.split('"');
        let mut names = String::new();
        while let Some(name) = quoted.next() {
            names.push_str(name);
            let is_closed = name.contains('>');
            if is_closed || quoted.next().is_none() {
                break;
            }
        }
        names.split('>').next().is_some_and(|names| names.split_whitespace().any(|name| name.starts_with("on")))
    })
}

#[test]
fn no_attack_survives_in_an_output_or_in_markdown() {
    assert!(is_handled("<img src=\"x\" onerror=\"y\">") && !is_handled("<p title=\" onx=\">a onb=c</p>"));
    for attack in ATTACKS {
        assert_harmless(&clean::output(attack, "_out-1-1"), attack);
        let body = page(&[md(&format!("Text {attack}\n\nmore\n\n{attack}\n\nend"))].map(without_missing));
        let main = body.split("<main").nth(1).unwrap().split("</main>").next().unwrap();
        assert_harmless(main, attack);
    }
}

/// A relative image that is missing is a fault of its own; here it is not the point.
fn without_missing(cell: Value) -> Value {
    let text = cell["source"].as_str().unwrap_or_default().replace("src=x onerror", "src=data: onerror");
    md(&text)
}

#[test]
fn an_output_keeps_its_table_styles_figure_and_style_sheet() {
    let html = r##"<style>.a:hover > b{color:red} @media (prefers-color-scheme: dark){.a{color:blue}} #t{fill:url(#g)} :root{--x:1px}</style>
        <div class="mln-table" style="color: red; position: fixed; --t: 0.5; width:50%"><table><tr><td colspan="2">1</td></tr></table>
        <svg viewBox="0 0 1 1" aria-labelledby="t"><defs><linearGradient id="g"><stop offset="0" stop-color="red"/></linearGradient></defs>
        <rect id="t" clip-path="url(#c)" fill="url(#g)"/><use href="#t"/></svg></div>"##;
    let clean = clean::output(html, "o");
    contains(
        &clean,
        &[
            "<style>#o {.a:hover > b{color:red}",
            "@media (prefers-color-scheme: dark){.a{color:blue}}",
            "#o-t{fill:url(#o-g)}",
            "&{--x:1px}}</style>",
            r#"<div class="mln-table" style="color: red; --t: 0.5; width: 50%">"#,
            r#"<td colspan="2">"#,
            r#"viewBox="0 0 1 1""#,
            r#"aria-labelledby="o-t""#,
            r#"<linearGradient id="o-g">"#,
            r#"clip-path="url(#o-c)""#,
            r##"<use href="#o-t">"##,
        ],
    );
}

#[test]
fn a_style_sheet_that_could_reach_out_goes_as_a_whole() {
    for bad in [
        "a{b:url(x)}",
        "@import 'x';",
        "@font-face{src:url(#a)}",
        "a{content:\"}\"}",
        "a{",
        "}",
        "a{b:c}/*",
        "a{b:u\\72l(x)}",
    ] {
        assert_eq!(css::sheets(&format!("<style>{bad}</style>"), "o", "o-"), "", "{bad}");
    }
    assert_eq!(css::sheets("<style>a{b:c}</style>", "o", "o-"), "<style>#o {a{b:c}}</style>");
    assert_eq!(
        css::sheets("<STYLE type='x'><![CDATA[a&gt;b{c:d}]]></STYLE><style>e{f:g}", "o", "o-"),
        "<style>#o {a>b{c:d}}</style>"
    );
}

#[test]
fn two_figures_with_equal_ids_do_not_meet() {
    let svg = r##"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 5"><style>.g{fill:red}</style><g id="a" class="g"/><use xlink:href="#a"/></svg>"##;
    let page = page(&[md("# A"), code("plot", shown("image/svg+xml", svg)), code("plot", shown("text/html", svg))]);
    contains(
        &page,
        &[
            r#"id="_out-2-1"><style>#_out-2-1 {"#,
            r#"<g id="_out-2-1-a" class="g">"#,
            r##"href="#_out-2-1-a""##,
            r#"id="_out-3-1"><style>#_out-3-1 {"#,
            r#"<g id="_out-3-1-a" class="g">"#,
        ],
    );
}

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
        faults[0].contains("a 1: \"\\\\begin{align}") && faults[0].contains("put `$$` before and after it"),
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
        let _ = super::math::render(&tex, pulldown_latex::config::DisplayMode::Inline);
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
fn code_is_escaped_coloured_and_commands_stand_apart() {
    let source = ":dep mlnotes = { path = \"..\" }\nlet v: Vec<f64> = vec![1.0]; // </script>\n::std::mem::drop(v)";
    let page = page(&[
        md("# A"),
        code(source, json!([])),
        code("  \n", json!([])),
        code("/* open\n", json!([])),
        code("x", json!([])),
    ]);
    contains(
        &page,
        &[
            "<span class=\"command\">:dep mlnotes = { path = &quot;..&quot; }</span>\n",
            "&lt;/script&gt;",
            "s-storage",
            "s-comment",
            "s-constant",
            "<span class=\"unseen\">Cell </span>3</span>",
        ],
    );
    assert!(!page.contains("</script>") && !page.contains("command\">::std"));
    assert_eq!(page.matches("class=\"cell\"").count(), 3);
}

#[test]
fn outputs_are_shown_in_their_richest_harmless_form() {
    let stream = |name: &str, text: &str| json!({ "output_type": "stream", "name": name, "text": text });
    let error = json!({ "output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\u{1b}[31mfailed\u{1b}[0m: <f64>\n", "at 3"] });
    let bare = json!({ "output_type": "error", "ename": "E", "evalue": "v", "traceback": [] });
    let both = json!({ "output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": { "text/html": "<b>rich</b>", "text/plain": "poor" } });
    let png = |text: &str| json!({ "output_type": "display_data", "metadata": {}, "data": { "image/png": text, "text/plain": "instead" } });
    let page = page(&[
        md("# A"),
        code(
            "x",
            json!([stream("stdout", "10%\r20%\r\nend\n\n"), stream("stderr", "warn"), stream("stdout", "\n"), error, bare,
        both, png("iVBO\nRw=="), png("\"onerror=x"), { "output_type": "display_data", "metadata": {}, "data": {} }]),
        ),
    ]);
    contains(
        &page,
        &[
            "<div class=\"output stdout\"><span class=\"unseen\">Printed:</span><pre>20%\nend</pre>",
            "class=\"output stderr\"",
            "<pre>failed: &lt;f64&gt;\nat 3</pre>",
            "<pre>E: v</pre>",
            "<b>rich</b>",
            "src=\"data:image/png;base64,iVBORw==\"",
            "<pre>instead</pre>",
        ],
    );
    assert!(!page.contains("poor") && !page.contains('\u{1b}'));
    assert_eq!(page.matches("class=\"output ").count(), 7);
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

#[test]
fn the_index_and_the_pages_know_their_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/book");
    let svg = r#"<svg viewBox="0 0 8 5"><style>.g{fill:red}</style><rect class="g" id="r"/></svg>"#;
    let sources = [
        source(
            "10_z",
            folder.path(),
            &[
                md("# Last <b>& 首</b>\n\nWhat `it` is with [a link](x.html) and $x^2$.\n\nMore."),
                code("p", shown("image/svg+xml", svg)),
            ],
        ),
        source("00_a", folder.path(), &[md("no title")]),
        source("05_空", folder.path(), &[md("# Third")]),
    ];
    render(&sources, &out).unwrap();
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let index = read("index.html");
    contains(
        &index,
        &[
            "<a href=\"10_z.html\"><span class=\"number\">10</span> Last &amp; <span lang=\"zh-Hans\">首</span></a>",
            "<p>What <code>it</code> is with a link and <math",
            "<style>#_thumbnail-10_z {.g{fill:red}}</style><svg",
            "id=\"_thumbnail-10_z-r\"",
            "<span class=\"thumbnail blank\" aria-hidden=\"true\">00</span>",
            "href=\"05_%E7%A9%BA.html\"",
        ],
    );
    assert!(index.find("10_z.html") < index.find("00_a.html"), "the order given");
    let middle = read("00_a.html");
    contains(
        &middle,
        &[
            "<h1>00_a</h1>",
            "rel=\"prev\" href=\"10_z.html\"",
            "rel=\"next\" href=\"05_%E7%A9%BA.html\"",
            "<html lang=\"en\">",
            "<meta name=\"viewport\"",
            "<meta name=\"description\" content=\"",
            "<main id=\"main\">",
            "href=\"#main\"",
        ],
    );
    contains(&read("10_z.html"), &["<meta name=\"description\" content=\"What it is with a link and x^2.\">"]);
    assert!(!read("10_z.html").contains("rel=\"prev\"") && !read("05_空.html").contains("rel=\"next\""));
    assert!(read("style.css").contains("prefers-color-scheme: dark"));
}

#[test]
fn a_book_replaces_a_book_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("book");
    let one = |name: &str| source(name, folder.path(), &[md("# A")]);
    fs::create_dir(&out).unwrap();
    render(&[one("old")], &out).unwrap();
    render(&[one("new")], &out).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["index.html", "new.html", "style.css"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

    let message = |result: Result<(), BookError>| result.unwrap_err().to_string();
    assert!(message(render(&[], &out)).contains("at least one notebook"));
    for name in ["index", "", "../x", "a/b", "new"] {
        assert!(message(render(&[one("new"), one(name)], &out)).contains("no page can be named"), "{name}");
    }
    assert!(out.join("new.html").exists(), "refused books leave the old one");
    let other = folder.path().join("mine");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.txt"), "x").unwrap();
    assert!(message(render(&[one("a")], &other)).contains("not a book, so it is left alone"));
    assert!(message(render(&[one("a")], &other.join("thesis.txt"))).contains("not a book"));
    assert!(message(render(&[one("a")], &other.join("thesis.txt/book"))).contains("cannot be written"));
    assert_eq!(fs::read_to_string(other.join("thesis.txt")).unwrap(), "x");
}

#[test]
fn every_colour_of_code_can_be_read_on_its_ground() {
    let luminance = |rgb: u32| {
        let channel = |shift: u32| {
            let value = f64::from(rgb >> shift & 255) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
    };
    let contrast = |a: u32, b: u32| {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    };
    assert!((contrast(0x777777, 0xffffff) - 4.478).abs() < 0.001, "WCAG's own example");
    for (scopes, light, dark, _) in code::COLOURS {
        assert!(contrast(light, code::GROUNDS[0]) >= 4.5, "{scopes} light: {}", contrast(light, code::GROUNDS[0]));
        assert!(contrast(dark, code::GROUNDS[1]) >= 4.5, "{scopes} dark: {}", contrast(dark, code::GROUNDS[1]));
    }
    let style = code::style();
    for (scopes, light, dark, _) in code::COLOURS {
        let (light, dark) = (format!("#{light:06x}"), format!("#{dark:06x}"));
        let (day, night) = style.split_once("prefers-color-scheme: dark").unwrap();
        assert!(day.contains(&light) && night.contains(&dark), "{scopes} is not in\n{style}");
    }
    for ground in code::GROUNDS {
        assert!(include_str!("style.css").contains(&format!("--code: #{ground:06x}")));
    }
}
