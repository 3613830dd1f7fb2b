//! Code cells and what they gave.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstream::adapter::strip_str;

use super::html::Escape;
use super::{Chapter, clean, image};
use crate::notebook::{Cell, Kind, Notebook, Output};

/// The cell with its number and its outputs.
pub fn render(chapter: &mut Chapter<'_>, cell: &Cell<'_>) -> String {
    let source = cell.source();
    let outputs = cell.outputs();
    if source.trim().is_empty() && outputs.is_empty() {
        return String::new();
    }
    let mut out = "<div class=\"cell\">\n".to_owned();
    if !source.trim().is_empty() {
        let count = cell.execution_count();
        let number = count.map(|n| format!("<span class=\"count\"><span class=\"unseen\">Cell </span>{n}</span>"));
        let code = chapter.highlighter.cell(source.trim_end());
        let _ =
            writeln!(out, "<div class=\"input\">{}<pre><code>{code}</code></pre></div>", number.unwrap_or_default());
    }
    for (index, output) in outputs.iter().enumerate() {
        let scope = format!("_out-{}-{}", chapter.cell, index + 1);
        out.push_str(&render_output(output, &scope));
    }
    out + "</div>\n"
}

fn render_output(output: &Output, scope: &str) -> String {
    match output {
        Output::Stream { name, text } => {
            let (class, label) = if name == "stderr" { ("stderr", "Standard error") } else { ("stdout", "Printed") };
            pre(class, label, &terminal(text))
        }
        Output::Error { name, value, traceback } => {
            let text = if traceback.is_empty() { format!("{name}: {value}") } else { lines(traceback) };
            pre("error", "Error", &terminal(&text))
        }
        Output::Data { data } => render_data(data, scope),
    }
}

/// The richest form that a static page can show.
fn render_data(data: &BTreeMap<String, String>, scope: &str) -> String {
    let figure = |class: &str, html: String| format!("<div class=\"output {class}\" id=\"{scope}\">{html}</div>\n");
    if let Some(html) = data.get("text/html") {
        return figure("html", clean::output(html, scope));
    }
    if let Some(svg) = data.get("image/svg+xml") {
        return figure("figure", clean::output(svg, scope));
    }
    for mime in ["image/png", "image/jpeg", "image/webp", "image/gif"] {
        if let Some(url) = data.get(mime).and_then(|text| image::data_url(mime, text)) {
            return figure("figure", format!("<img src=\"{url}\" alt=\"Figure\">"));
        }
    }
    data.get("text/plain").map(|text| pre("value", "Value", &terminal(text))).unwrap_or_default()
}

/// The notebook's first figure, for the index.
pub fn thumbnail(notebook: &Notebook, page: &str) -> Option<String> {
    let code = notebook.cells().filter(|cell| cell.kind() == Kind::Code);
    let scope = format!("_thumbnail-{}", page.replace('.', "-"));
    code.flat_map(|cell| cell.outputs()).find_map(|output| match output {
        Output::Data { data } => figure_of(&data, &scope),
        _ => None,
    })
}

fn figure_of(data: &BTreeMap<String, String>, scope: &str) -> Option<String> {
    let wrap = |html: &str| format!("<span class=\"thumbnail\" id=\"{scope}\" aria-hidden=\"true\">{html}</span>");
    let drawing = data.get("image/svg+xml").or_else(|| data.get("text/html")).map(|html| clean::output(html, scope));
    if let Some(html) = drawing {
        let start = html.find("<svg")?;
        let end = html.rfind("</svg>")? + "</svg>".len();
        let sheets_end = html.rfind("</style>").map_or(0, |at| at + "</style>".len());
        return Some(wrap(&format!("{}{}", &html[..sheets_end.min(start)], html.get(start..end)?)));
    }
    let url = data.get("image/png").and_then(|text| image::data_url("image/png", text))?;
    Some(wrap(&format!("<img src=\"{url}\" alt=\"\">")))
}

fn pre(class: &str, label: &str, text: &str) -> String {
    let text = text.trim_end_matches('\n');
    if text.is_empty() {
        return String::new();
    }
    format!("<div class=\"output {class}\"><span class=\"unseen\">{label}:</span><pre>{}</pre></div>\n", Escape(text))
}

/// A traceback's entries are lines, with or without their ends.
fn lines(traceback: &[String]) -> String {
    traceback.iter().map(|line| line.trim_end_matches('\n')).collect::<Vec<_>>().join("\n")
}

/// Text as a terminal would leave it, less its colours: `\r` goes back to the line's start.
fn terminal(text: &str) -> String {
    let text = strip_str(text).to_string().replace("\r\n", "\n");
    let shown = text.split('\n').map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or(""));
    shown.collect::<Vec<_>>().join("\n")
}
