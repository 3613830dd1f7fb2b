//! What is done to a cell's text before it is compiled?

use std::borrow::Cow;
use std::path::Path;

use crate::notebook::{Kind, Notebook};

pub fn pin_versions_for(code: &str) {
    if code.lines().any(|line| line.trim_start().starts_with(":dep")) {
        crate::slot::pin_versions();
    }
}

/// A cell's `:dep` lines with absolute paths: then evcxr sees that it has the dependency, and asks cargo nothing.
pub fn with_absolute_paths<'a>(code: &'a str, folder: &Path) -> Cow<'a, str> {
    if !code.contains(":dep") {
        return code.into();
    }
    code.split_inclusive('\n').map(|line| absolute(line, folder).unwrap_or(line.into())).collect::<String>().into()
}

/// The line by which a notebook asks for the library in `folder`, with its default features.
pub fn library(folder: &Path) -> Result<String, String> {
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(format!(":dep mlnotes = {{ path = \"{}\" }}", toml_escaped(&folder)))
}

/// The `:dep` lines, with absolute paths, of the first cell that asks for this project's library; the notebook lies in
/// `folder`.
pub fn dependencies(notebook: &Notebook, folder: &Path) -> Option<String> {
    let is_library = |line: &str| line.split_whitespace().take(2).eq([":dep", "mlnotes"]);
    let sources = notebook.cells().filter(|cell| cell.kind() == Kind::Code).map(|cell| cell.source());
    let cell = sources.into_iter().find(|source| source.lines().any(is_library))?;
    let lines: Vec<&str> = cell.lines().filter(|line| line.trim_start().starts_with(":dep")).collect();
    Some(with_absolute_paths(&lines.join("\n"), folder).into_owned())
}

/// The line with its relative path made absolute, if it is a `:dep` with such a path to an existing folder.
fn absolute<'a>(line: &'a str, folder: &Path) -> Option<Cow<'a, str>> {
    line.trim_start().strip_prefix(":dep")?;
    let after = line.split_once("path")?.1.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    let written = after.split_once('"')?.0;
    let path = Path::new(written);
    if path.is_absolute() {
        return None;
    }
    let start = written.as_ptr() as usize - line.as_ptr() as usize;
    let path = toml_escaped(&folder.join(path).canonicalize().ok()?);
    Some(format!("{}{path}{}", &line[..start], &line[start + written.len()..]).into())
}

/// A path as it stands between a TOML string's quotes.
pub fn toml_escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"")
}

/// Whether a cell would wait for input: what it would read are evcxr's own commands.
pub fn reads_stdin(code: &str) -> bool {
    code.lines().any(|line| line.split("//").next().is_some_and(|code| code.contains("stdin()")))
}

/// Whether a command in the cell clears the session, and with it what the session itself has defined.
pub fn clears(code: &str) -> bool {
    code.lines().any(|line| line.trim() == ":clear")
}

/// How many lines at a cell's head are commands, imports, attributes and comments. They cannot fail once they compile,
/// and a marker among them would turn a cell of nothing else into a second or so of compilation.
pub fn set_up_lines(code: &str) -> usize {
    let is_set_up = |line: &str| {
        let line = line.trim();
        line.is_empty()
            || [":", "//", "#!["].iter().any(|start| line.starts_with(start))
            || (line.starts_with("use ") && line.ends_with(';'))
    };
    code.lines().take_while(|line| is_set_up(line)).count()
}

/// The code with one more line before line number `at`, counted from 0.
pub fn with_line(code: &str, at: usize, line: &str) -> String {
    let mut lines: Vec<&str> = code.lines().collect();
    lines.insert(at, line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_comes_after_commands_and_imports() {
        let cell = ":dep a = \"1\"\nuse a::b;\n\n// A comment.\nlet x = 1;\n:dep is no command here";
        assert_eq!(set_up_lines(cell), 4);
        assert_eq!(with_line("a\nb", 1, "marker"), "a\nmarker\nb");
        // Nothing to guard: the number of set-up lines is that of all lines.
        assert_eq!(set_up_lines("use a::b;\n:opt 0"), 2);
        // An import over several lines is not recognised, which costs a marker and nothing else.
        assert_eq!(set_up_lines("use a::{\n    b,\n};"), 0);
    }

    #[test]
    fn paths_of_dependencies_become_absolute_and_nothing_else_changes() {
        let here = std::env::current_dir().unwrap();
        let here = toml_escaped(&here.canonicalize().unwrap());
        let cell = ":dep a = { path = \".\", features = [\"b\"] }\nlet path = \".\";";
        let wanted = format!(":dep a = {{ path = \"{here}\", features = [\"b\"] }}\nlet path = \".\";");
        assert_eq!(with_absolute_paths(cell, Path::new(".")), wanted);
        for unchanged in
            ["let a = 1;", ":dep a = \"1\"", ":dep a = { path = \"/nowhere/at/all\" }", ":dep a = { path = "]
        {
            assert_eq!(with_absolute_paths(unchanged, Path::new(".")), unchanged);
        }
    }

    #[test]
    fn a_notebook_says_how_it_asks_for_the_library() {
        let folder = Path::new(env!("MLNOTES_CHECKOUT")).join("notebooks");
        let plain = library(&folder.join("..")).unwrap();
        let start = Notebook::read(folder.join("00_start.ipynb")).unwrap();
        // Letter for letter, or the library would seem not to be compiled for it.
        assert_eq!(dependencies(&start, &folder), Some(plain));
    }

    #[test]
    fn reading_input_is_noticed_unless_in_a_comment() {
        assert!(reads_stdin("let mut s = String::new();\nstd::io::stdin().read_line(&mut s)?;"));
        assert!(!reads_stdin("let a = 1; // like stdin()"));
    }
}
