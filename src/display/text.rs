//! Plain text in aligned columns, Chinese characters counted as two wide.

/// How many terminal columns a text takes: East Asian wide characters take two, combining marks none.
///
/// ```
/// assert_eq!(mlnotes::display::width("epoch"), 5);
/// assert_eq!(mlnotes::display::width("感知器"), 6);
/// ```
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The blocks that matter in notes and results, after Unicode's East Asian Width table.
pub(crate) fn char_width(c: char) -> usize {
    match c as u32 {
        0x300..=0x36F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// One line of it: control characters become spaces.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Lines up rows of cells; `right[j]` says whether column j is flush right.
pub(crate) fn columns(rows: &[Vec<String>], right: &[bool]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|c| one_line(c)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..count).map(|j| rows.iter().filter_map(|row| row.get(j)).map(|c| width(c)).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (j, text) in row.iter().enumerate() {
            let gap = " ".repeat(widths[j] - width(text));
            let (before, after) =
                if right.get(j).copied().unwrap_or(false) { (gap, String::new()) } else { (String::new(), gap) };
            line.push_str(if j == 0 { "" } else { "  " });
            line.push_str(&(before + text + &after));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}
