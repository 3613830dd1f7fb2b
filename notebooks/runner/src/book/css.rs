//! Style sheets inside outputs: kept if harmless, and made to reach no further than their own output.
//!
//! A sheet is wrapped as `#scope { … }`, which CSS nesting reads as a descendant selector in front of each rule, so two
//! figures with a class `grid` do not meet. Anything that could load something, or that this reader does not follow,
//! drops the whole sheet.

/// The properties that a `style` attribute may set, beside custom ones (`--name`).
const PROPERTIES: &[&str] = &[
    "align-items",
    "align-self",
    "aspect-ratio",
    "background",
    "background-color",
    "border",
    "border-bottom",
    "border-bottom-color",
    "border-collapse",
    "border-color",
    "border-left",
    "border-radius",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "box-sizing",
    "caption-side",
    "clip-path",
    "color",
    "column-gap",
    "display",
    "dominant-baseline",
    "fill",
    "fill-opacity",
    "flex",
    "flex-direction",
    "flex-wrap",
    "font",
    "font-family",
    "font-feature-settings",
    "font-size",
    "font-style",
    "font-variant",
    "font-variant-numeric",
    "font-weight",
    "gap",
    "grid-template-columns",
    "height",
    "justify-content",
    "letter-spacing",
    "line-height",
    "list-style",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "opacity",
    "overflow",
    "overflow-x",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "row-gap",
    "stroke",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-opacity",
    "stroke-width",
    "text-align",
    "text-anchor",
    "text-decoration",
    "text-transform",
    "transform",
    "vertical-align",
    "white-space",
    "width",
    "word-break",
];

/// What could load something or hide that it does.
const REFUSED: &[&str] = &["\\", "<", "//", "image(", "image-set(", "src(", "expression(", "element(", "-moz-binding"];

/// The declarations of a `style` attribute that may stay.
pub fn declarations(style: &str, prefix: &str) -> String {
    let kept = style.split(';').filter_map(|declaration| {
        let (name, value) = declaration.split_once(':')?;
        let name = name.trim().to_ascii_lowercase();
        let is_custom =
            name.starts_with("--") && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_known = is_custom || PROPERTIES.binary_search(&name.as_str()).is_ok();
        let is_safe = is_harmless(value) && !value.contains(['{', '}', '@']);
        (is_known && is_safe).then(|| format!("{name}: {}", scope_urls(value.trim(), prefix)))
    });
    kept.collect::<Vec<_>>().join("; ")
}

/// The style sheets in `html`, each confined to the element with the id `scope`; ids in them get the `prefix`.
pub fn sheets(html: &str, scope: &str, prefix: &str) -> String {
    let mut out = String::new();
    // ASCII lower case keeps every position.
    let lower = html.to_ascii_lowercase();
    let mut from = 0;
    while let Some(start) = lower[from..].find("<style").map(|at| from + at) {
        let Some(open) = lower[start..].find('>').map(|at| start + at + 1) else { break };
        let Some(end) = lower[open..].find("</style").map(|at| open + at) else { break };
        if let Some(sheet) = confine(&html[open..end], scope, prefix) {
            out.push_str(&sheet);
        }
        from = end;
    }
    out
}

fn confine(css: &str, scope: &str, prefix: &str) -> Option<String> {
    let css = css.replace("<![CDATA[", "").replace("]]>", "").replace("&gt;", ">").replace("&amp;", "&");
    let css = without_comments(&css)?;
    if !is_harmless(&css) || !is_balanced(&css) {
        return None;
    }
    let mut rules = String::new();
    let mut rest = css.as_str();
    while let Some(end) = rest.find(['{', ';', '}']) {
        let (part, mark) = (&rest[..end], &rest[end..=end]);
        let is_at_rule = part.trim_start().starts_with('@');
        if is_at_rule && (mark != "{" || !matches!(at_name(part), "media" | "supports")) {
            return None;
        }
        if mark == "{" && !is_at_rule {
            rules.push_str(&scope_selector(part, prefix));
        } else {
            rules.push_str(&scope_urls(part, prefix));
        }
        rules.push_str(mark);
        rest = &rest[end + 1..];
    }
    rest.trim().is_empty().then(|| format!("<style>#{scope} {{{rules}}}</style>"))
}

/// Ids get the prefix, but not the colours in `[fill="#0072b2"]`.
fn scope_selector(selector: &str, prefix: &str) -> String {
    let (mut out, mut rest) = (String::new(), selector);
    while let Some(start) = rest.find('[') {
        let end = start + rest[start..].find(']').map_or(rest.len() - start, |at| at + 1);
        out.push_str(&rest[..start].replace('#', &format!("#{prefix}")).replace(":root", "&"));
        out.push_str(&rest[start..end]);
        rest = &rest[end..];
    }
    out + &rest.replace('#', &format!("#{prefix}")).replace(":root", "&")
}

fn at_name(rule: &str) -> &str {
    let name = rule.trim_start().trim_start_matches('@');
    name.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or("")
}

/// Whether nothing in the text can load anything: the only URLs are those of elements in the same output.
fn is_harmless(css: &str) -> bool {
    let css = css.to_ascii_lowercase();
    !REFUSED.iter().any(|refused| css.contains(refused))
        && css.match_indices("url").all(|(at, _)| {
            let after = css[at + 3..].trim_start();
            !after.starts_with('(')
                || after
                    .strip_prefix('(')
                    .is_some_and(|inner| inner.trim_start_matches(['"', '\'', ' ']).starts_with('#'))
        })
}

fn scope_urls(css: &str, prefix: &str) -> String {
    ["url(#", "url('#", "url(\"#"].iter().fold(css.to_owned(), |css, url| css.replace(url, &format!("{url}{prefix}")))
}

fn without_comments(css: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = css;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        out.push(' ');
        rest = &rest[start + 2 + rest[start + 2..].find("*/")? + 2..];
    }
    out.push_str(rest);
    Some(out)
}

/// Whether no brace leaves the scope; braces and semicolons in quotes would deceive [`confine`], so they are refused.
fn is_balanced(css: &str) -> bool {
    let mut depth = 0_u32;
    let mut quote = None;
    for c in css.chars() {
        match (quote, c) {
            (Some(_), '{' | '}' | ';' | '\n') => return false,
            (Some(open), _) => quote = (open != c).then_some(open),
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0 && quote.is_none()
}
