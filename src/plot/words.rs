//! How much room does a text need? There is no font at hand, so widths are estimated, on the generous side.

use crate::display::width;

/// The width of a text in the unit of `size`, after the proportions of common sans-serif faces.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.31,
        ' ' | 'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '-' | '/' => 0.40,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.92,
        c if c.is_ascii_uppercase() => 0.72,
        c if c.is_ascii() => 0.60,
        c => match width(c.encode_utf8(&mut [0; 4])) {
            0 => 0.0,
            1 => 0.68,
            _ => 1.02,
        },
    }
}

/// Cuts a text that is too wide, with an ellipsis.
pub(super) fn shorten(text: &str, size: f64, room: f64) -> String {
    if text_width(text, size) <= room {
        return text.to_string();
    }
    let mut kept = String::new();
    let mut used = size;
    for c in text.chars() {
        used += em(c) * size;
        if used > room {
            break;
        }
        kept.push(c);
    }
    kept.trim_end().to_string() + "…"
}

/// Breaks a text into at most `most` lines: at spaces, and anywhere between wide characters.
pub(super) fn wrap(text: &str, size: f64, room: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if !line.is_empty() && text_width(&(line.clone() + piece.trim_end()), size) > room {
            lines.push(std::mem::take(&mut line).trim_end().to_string());
        }
        line.push_str(&piece);
    }
    lines.push(line.trim_end().to_string());
    if lines.len() > most.max(1) {
        let rest = lines.split_off(most.max(1) - 1).join(" ");
        lines.push(rest);
    }
    lines.iter().map(|line| shorten(line, size, room)).collect()
}

/// Words with the space after them; wide characters stand alone, closing punctuation sticks to what is before it.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = vec![String::new()];
    let mut break_next = false;
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        let wide = width(c.encode_utf8(&mut [0; 4])) == 2;
        let closing = matches!(c, ' ' | '，' | '。' | '、' | '：' | '；' | '）' | '」' | '》' | '！' | '？');
        if (break_next || wide) && !closing {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
        break_next = wide || closing;
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
