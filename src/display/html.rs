//! The HTML frame every table of this crate is shown in.

/// Ends up inside each output, so it is short. Colours are translucent or inherited: the page's theme shows through.
const STYLE: &str = "<style>.mln{--mln-line:rgba(127,127,127,.45);--mln-soft:rgba(127,127,127,.13);\
font:13px/1.5 system-ui,sans-serif;color:inherit;margin:.5em 0;overflow-x:auto}\
.mln table{border-collapse:collapse;margin:0;width:auto;border:0;font-size:13px;color:inherit}\
.mln table th,.mln table td{padding:.15em .75em;border:0;text-align:left;vertical-align:baseline;white-space:nowrap;\
max-width:none;color:inherit}\
.mln table thead th,.mln table thead td{border-bottom:1px solid var(--mln-line);font-weight:600}\
.mln table tbody th{font-weight:500;opacity:.8}\
.mln table .n{text-align:right;font-variant-numeric:tabular-nums}\
.mln table .w{white-space:normal;min-width:9em;max-width:30em}\
.mln table .i{opacity:.75;font-size:12px;font-weight:400}\
.mln p{margin:.25em 0}.mln .cap{font-weight:600;margin:0 0 .25em}.mln .note{opacity:.75;font-size:12px;margin:.25em 0 0}\
.mln .ok{color:#1a7f37;font-weight:700}.mln .no{color:#c0303a;font-weight:700}\
@media(prefers-color-scheme:dark){.mln .ok{color:#4ac26b}.mln .no{color:#ff8182}}</style>";

/// Makes text safe inside an element or a quoted attribute, in HTML and in SVG.
///
/// ```
/// assert_eq!(mlnotes::display::escape("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
/// ```
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Neither XML nor a notebook's line protocol can carry control characters.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Wraps a body in the scoped frame.
pub(crate) fn frame(body: &str) -> String {
    format!("<div class=\"mln\">{STYLE}{body}</div>")
}

/// `<p class="…">…</p>` with the text escaped, or nothing for an empty text.
pub(crate) fn paragraph(class: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<p class=\"{class}\">{}</p>", escape(text)) }
}

/// One table cell: `tag` is `td` or `th`, `class` may be empty. A header without text is none, to a screen reader.
pub(crate) fn cell(tag: &str, class: &str, text: &str) -> String {
    let tag = if text.is_empty() { "td" } else { tag };
    if class.is_empty() {
        format!("<{tag}>{}</{tag}>", escape(text))
    } else {
        format!("<{tag} class=\"{class}\">{}</{tag}>", escape(text))
    }
}
