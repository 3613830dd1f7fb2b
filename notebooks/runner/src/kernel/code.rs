//! Positions and completeness of a cell's text.

/// The byte offset of a position counted in Unicode code points, as Jupyter counts; past the end it is the end.
pub fn byte_offset(code: &str, points: usize) -> usize {
    code.char_indices().nth(points).map_or(code.len(), |(at, _)| at)
}

/// The position in code points of a byte offset.
pub fn code_points(code: &str, offset: usize) -> usize {
    code.char_indices().take_while(|(at, _)| *at < offset).count()
}

/// The end of the name in which, or just after which, `offset` stands.
pub fn end_of_name(code: &str, offset: usize) -> usize {
    let rest = code.get(offset..).unwrap_or_default();
    offset + rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
}

/// Whether every bracket, string and comment of the cell is closed. What is merely wrong counts as complete: the
/// compiler says better what is wrong with it.
pub fn is_complete(code: &str) -> bool {
    let mut depth = 0_i64;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '(' | '[' | '{' => {
                depth += 1;
                Some(1)
            }
            ')' | ']' | '}' => {
                depth -= 1;
                Some(1)
            }
            '/' if rest.starts_with("//") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest, 1),
            'r' if is_raw_string(rest) => raw_string(rest),
            '\'' => Some(character(rest)),
            c if c.is_alphanumeric() || c == '_' => Some(word(rest)),
            c => Some(c.len_utf8()),
        };
        match skipped {
            Some(length) => rest = &rest[length..],
            None => return false,
        }
    }
    depth <= 0
}

/// The length of a nested block comment; none if it does not end.
fn block_comment(text: &str) -> Option<usize> {
    let mut depth = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The length of a string literal from its quote at `start - 1` on; none if it does not end.
fn string(text: &str, start: usize) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(start + at + 1),
            _ => {}
        }
    }
    None
}

fn is_raw_string(text: &str) -> bool {
    text[1..].trim_start_matches('#').starts_with('"')
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 1 + hashes + 1;
    text[body..].find(&end).map(|at| body + at + end.len())
}

/// The length of a character literal, or of the quote of a lifetime or label.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            text[from..].find('\'').map_or(1, |end| from + end + 1)
        }
        (Some((_, c)), Some((at, '\''))) if c != '\'' => at + 1,
        _ => 1,
    }
}

/// The length of a word, so that an `r` within a name starts no raw string; prefixed ones (`br"`) are left to it.
fn word(text: &str) -> usize {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    match &text[..end] {
        "br" | "cr" if is_raw_string(&text[1..]) => 1,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_code_points() {
        let code = "let 数 = \"é🦀\"; 数.";
        for points in 0..=code.chars().count() {
            assert_eq!(code_points(code, byte_offset(code, points)), points);
        }
        assert_eq!(byte_offset(code, 999), code.len());
        assert_eq!(byte_offset("", 3), 0);
    }

    #[test]
    fn the_name_around_the_cursor() {
        let code = "x.fit(数据)";
        assert_eq!(end_of_name(code, 2), 5);
        assert_eq!(end_of_name(code, 5), 5);
        assert_eq!(end_of_name(code, 6), code.len() - 1);
        assert_eq!(end_of_name(code, code.len()), code.len());
    }

    #[test]
    fn complete_cells() {
        let cells = [
            "",
            "1 + 1",
            "let a = \"(\";",
            "let c = '{'; let d = '\\''; let e = '\\u{7b}';",
            "fn f<'a>(x: &'a str) {}",
            "// (",
            "/* ( /* [ */ { */",
            "r#\"( \" [\"#",
            "br\"(\"",
            "b\"\\\"(\"",
            "let bar = 1;",
            "}",
            "'outer: loop { break 'outer; }",
            "\"\\\\\"",
            "r\"\\\"",
            "'数'",
        ];
        for cell in cells {
            assert!(is_complete(cell), "{cell}");
        }
    }

    #[test]
    fn incomplete_cells() {
        for cell in [
            "(",
            "fn f() {",
            "let a = \"text",
            "/* comment",
            "/* /* */",
            "r#\"text\"",
            "vec![1,",
            "if x { '}' ",
            "\"\\\"",
        ] {
            assert!(!is_complete(cell), "{cell}");
        }
    }
}
