//! Text as HTML.

use std::fmt::{self, Display, Write};

/// Shows text so that HTML reads it as that text, in an element or in a quoted attribute.
pub struct Escape<'a>(pub &'a str);

impl Display for Escape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            _ => f.write_char(c),
        })
    }
}

/// HTML of a text in which every run of Chinese says that it is, so that it gets Chinese glyphs and is read as such.
pub fn with_languages(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_han) {
        let end = start + rest[start..].find(|c| !is_han(c) && !is_cjk_mark(c)).unwrap_or(rest.len() - start);
        let _ = write!(out, "{}<span lang=\"zh-Hans\">{}</span>", Escape(&rest[..start]), Escape(&rest[start..end]));
        rest = &rest[end..];
    }
    let _ = write!(out, "{}", Escape(rest));
    out
}

/// Whether the text holds Chinese characters.
pub fn has_han(text: &str) -> bool {
    text.contains(is_han)
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Punctuation that belongs to the Chinese text around it.
fn is_cjk_mark(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}')
}
