//! Coloured code. The colours are CSS classes, so that the reader's light or dark setting decides.

use syntect::highlighting::{Color, FontStyle, ScopeSelectors, StyleModifier, Theme, ThemeItem};
use syntect::html::{ClassStyle, ClassedHTMLGenerator, css_for_theme_with_class_style};
use syntect::parsing::{SyntaxReference, SyntaxSet};
use syntect::util::LinesWithEndings;

use super::html::Escape;

const CLASSES: ClassStyle = ClassStyle::SpacedPrefixed { prefix: "s-" };

/// The grounds that code stands on, light and dark; `style.css` has them as `--code`.
#[cfg(test)]
pub const GROUNDS: [u32; 2] = [0xf5f4ef, 0x202327];

/// What is coloured: scopes, light, dark, style. Few colours, each at least 4.5:1 on its ground.
pub const COLOURS: [(&str, u32, u32, FontStyle); 9] = [
    ("comment", 0x63686e, 0x9aa0a8, FontStyle::ITALIC),
    ("keyword, storage", 0x7b3b8c, 0xcba6e0, FontStyle::empty()),
    ("keyword.operator", 0x4a5058, 0xb4bac2, FontStyle::empty()),
    ("string, constant.character", 0x2c6a3f, 0x9ccc9a, FontStyle::empty()),
    ("constant.numeric, constant.language", 0x94470c, 0xe6b17e, FontStyle::empty()),
    ("entity.name.function, support.function, variable.function", 0x17587f, 0x93c5ea, FontStyle::empty()),
    ("entity.name, support.type", 0x0f625f, 0x85cfc4, FontStyle::empty()),
    ("support.macro, entity.name.macro", 0x17587f, 0x93c5ea, FontStyle::empty()),
    ("invalid", 0xa32020, 0xf09a94, FontStyle::empty()),
];

/// The languages that syntect knows, loaded once per book.
pub struct Highlighter {
    languages: SyntaxSet,
}

impl Highlighter {
    /// All languages of syntect's own set.
    pub fn new() -> Self {
        Self { languages: SyntaxSet::load_defaults_newlines() }
    }

    /// A notebook's cell: Rust, but for the lines that are commands to evcxr (`:dep …`).
    pub fn cell(&self, source: &str) -> String {
        let mut out = String::new();
        let mut rust = String::new();
        for line in LinesWithEndings::from(source) {
            if is_command(line) {
                out.push_str(&self.code(&std::mem::take(&mut rust), "rust"));
                let (text, end) = line.split_at(line.trim_end_matches(['\r', '\n']).len());
                out.push_str(&format!("<span class=\"command\">{}</span>{end}", Escape(text)));
            } else {
                rust.push_str(line);
            }
        }
        out + &self.code(&rust, "rust")
    }

    /// Code in any language; plain if the language is unknown.
    pub fn code(&self, source: &str, language: &str) -> String {
        match self.languages.find_syntax_by_token(language) {
            Some(syntax) if !source.is_empty() => {
                self.highlight(source, syntax).unwrap_or_else(|_| Escape(source).to_string())
            }
            _ => Escape(source).to_string(),
        }
    }

    fn highlight(&self, source: &str, syntax: &SyntaxReference) -> Result<String, syntect::Error> {
        let mut generator = ClassedHTMLGenerator::new_with_class_style(syntax, &self.languages, CLASSES);
        // The syntaxes expect each line with its end; the last one may lack it.
        let ends = source.ends_with('\n');
        for line in LinesWithEndings::from(&format!("{source}{}", if ends { "" } else { "\n" })) {
            generator.parse_html_for_line_which_includes_newline(line)?;
        }
        Ok(generator.finalize())
    }
}

fn is_command(line: &str) -> bool {
    line.strip_prefix(':').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '?'))
}

/// The style sheet of the colours, light and dark.
pub fn style() -> String {
    let css = |dark| css_for_theme_with_class_style(&theme(dark), CLASSES).unwrap_or_default();
    format!("\n{}\n@media (prefers-color-scheme: dark) {{\n{}}}\n", css(false), css(true))
}

fn theme(dark: bool) -> Theme {
    let item = |&(scopes, light_rgb, dark_rgb, font): &(&str, u32, u32, FontStyle)| {
        let [_, r, g, b] = (if dark { dark_rgb } else { light_rgb }).to_be_bytes();
        let style =
            StyleModifier { foreground: Some(Color { r, g, b, a: 255 }), background: None, font_style: Some(font) };
        let scope: ScopeSelectors = scopes.parse().ok()?;
        Some(ThemeItem { scope, style })
    };
    Theme { scopes: COLOURS.iter().filter_map(item).collect(), ..Theme::default() }
}
