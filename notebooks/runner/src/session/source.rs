//! What is done to a cell's text before it is compiled?

use std::borrow::Cow;
use std::path::Path;

pub fn pin_versions_for(code: &str) {
    if code.lines().any(|line| line.trim_start().starts_with(":dep")) {
        crate::slot::pin_versions();
    }
}

/// A cell's `:dep` lines with absolute paths: then evcxr sees that it has the dependency, and asks cargo nothing.
pub fn with_absolute_paths(code: &str) -> Cow<'_, str> {
    if !code.contains(":dep") {
        return code.into();
    }
    code.split_inclusive('\n').map(|line| absolute(line).unwrap_or(line.into())).collect::<String>().into()
}

/// The line with its relative path made absolute, if it is a `:dep` with such a path to an existing folder.
fn absolute(line: &str) -> Option<Cow<'_, str>> {
    line.trim_start().strip_prefix(":dep")?;
    let after = line.split_once("path")?.1.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    let written = after.split_once('"')?.0;
    let path = Path::new(written);
    if path.is_absolute() {
        return None;
    }
    let start = written.as_ptr() as usize - line.as_ptr() as usize;
    let path = toml_escaped(&path.canonicalize().ok()?);
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
        assert_eq!(with_absolute_paths(cell), wanted);
        for unchanged in
            ["let a = 1;", ":dep a = \"1\"", ":dep a = { path = \"/nowhere/at/all\" }", ":dep a = { path = "]
        {
            assert_eq!(with_absolute_paths(unchanged), unchanged);
        }
    }

    #[test]
    fn reading_input_is_noticed_unless_in_a_comment() {
        assert!(reads_stdin("let mut s = String::new();\nstd::io::stdin().read_line(&mut s)?;"));
        assert!(!reads_stdin("let a = 1; // like stdin()"));
    }
}
