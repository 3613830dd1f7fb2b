//! How is a compile error shown? As rustc shows it, with the cell's own lines.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use evcxr::CompilationError;

/// The text of compile errors in `source`, line by line. What was compiled had one line more, which the reader has not
/// written, before line number `hidden` (counted from 0).
pub fn render(errors: &[CompilationError], source: &str, hidden: Option<usize>) -> Vec<String> {
    errors.iter().flat_map(|error| render_one(error, source, hidden)).collect()
}

fn render_one(error: &CompilationError, source: &str, hidden: Option<usize>) -> Vec<String> {
    let message = error.message();
    let title = match error.code() {
        Some(code) => Level::ERROR.primary_title(message).id(code),
        None => Level::ERROR.primary_title(message),
    };
    let mut snippet = Snippet::source(source).path("cell");
    let mut located = false;
    for note in error.spanned_messages() {
        let Some(span) = note.span else { continue };
        let start = offset(source, span.start_line, span.start_column, hidden);
        let end = offset(source, span.end_line, span.end_column, hidden);
        let (Some(start), Some(end)) = (start, end) else { continue };
        let kind = if note.is_primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let label = if note.label.starts_with("error: ") { None } else { Some(note.label.clone()) };
        snippet = snippet.annotation(kind.span(start..end.max(start)).label(label));
        located = true;
    }
    let mut group = Group::with_title(title);
    if located {
        group = group.element(snippet);
    }
    for help in error.help() {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::plain().render(&[group]).lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The byte offset of a position that evcxr counts from one, in characters.
fn offset(source: &str, line: usize, column: usize, hidden: Option<usize>) -> Option<usize> {
    let row = match (line.checked_sub(1)?, hidden) {
        (row, Some(hidden)) if row == hidden => return None,
        (row, Some(hidden)) if row > hidden => row - 1,
        (row, _) => row,
    };
    let start: usize = source.split_inclusive('\n').take(row).map(str::len).sum();
    let text = source.get(start..)?;
    Some(start + text.char_indices().nth(column.checked_sub(1)?).map_or(text.len(), |(at, _)| at))
}
