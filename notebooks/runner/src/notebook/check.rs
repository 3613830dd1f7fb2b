//! Is this text a notebook that can be run here? If not, what should its owner do?

use serde_json::Value;

use super::output::{Output, joined};

/// The notebook's JSON, or what is wrong with it.
pub fn parse(text: &str) -> Result<Value, String> {
    let json = serde_json::from_str(text).map_err(|error| describe(text, &error))?;
    check_format(&json)?;
    check_language(&json)?;
    check_cells(&json)?;
    Ok(json)
}

fn describe(text: &str, error: &serde_json::Error) -> String {
    if text.trim().is_empty() {
        return "the file is empty: restore it, or make a new notebook in JupyterLab".into();
    }
    let place = format!("line {}, column {}", error.line(), error.column());
    if error.is_eof() {
        return format!("the file is cut short (it ends in the middle at {place}): restore it, from git for instance");
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    format!("this is not JSON ({message}, {place}), so not a notebook: restore it, or solve the merge conflict in it")
}

fn check_format(json: &Value) -> Result<(), String> {
    if !json.is_object() {
        return Err("this JSON is not a notebook (no object at its top): give a file that Jupyter wrote".into());
    }
    match &json["nbformat"] {
        Value::Null if json["cells"].is_null() => {
            Err("this JSON is not a notebook (neither `nbformat` nor `cells`): give a file that Jupyter wrote".into())
        }
        Value::Null => Err("it has no `nbformat`: open it in JupyterLab and save it".into()),
        version if *version == 4 => Ok(()),
        version => Err(format!(
            "its nbformat is {version}, but 4 is needed: open it in JupyterLab and save, or \
             `jupyter nbconvert --to notebook`"
        )),
    }
}

fn check_language(json: &Value) -> Result<(), String> {
    let metadata = &json["metadata"];
    let languages = [&metadata["kernelspec"]["language"], &metadata["language_info"]["name"]];
    match languages.into_iter().filter_map(Value::as_str).find(|name| !name.eq_ignore_ascii_case("rust")) {
        Some(other) => Err(format!(
            "it is written for a {other:?} kernel, but only Rust notebooks run here: choose the kernel \
             \"Rust (mlnotes)\" in JupyterLab, or leave it out"
        )),
        None => Ok(()),
    }
}

fn check_cells(json: &Value) -> Result<(), String> {
    let cells = match &json["cells"] {
        Value::Null => return Err("it has no `cells`: restore it, or make a new notebook in JupyterLab".into()),
        Value::Array(cells) if cells.is_empty() => {
            return Err("it is empty (zero cells): write at least one cell, or remove it".into());
        }
        Value::Array(cells) => cells,
        _ => return Err("its `cells` is not a list: restore it, or make a new notebook in JupyterLab".into()),
    };
    for (index, cell) in cells.iter().enumerate() {
        check_cell(cell).map_err(|what| format!("cell {} {what}: restore the file, or remove the cell", index + 1))?;
    }
    Ok(())
}

fn check_cell(cell: &Value) -> Result<(), String> {
    let kind = cell["cell_type"].as_str().ok_or("has no `cell_type`")?;
    if !matches!(kind, "markdown" | "code" | "raw") {
        return Err(format!("has the unknown `cell_type` {kind:?}"));
    }
    joined(&cell["source"]).ok_or("has no `source` (a text or a list of lines)")?;
    match &cell["outputs"] {
        Value::Null => Ok(()),
        Value::Array(outputs) => match outputs.iter().position(|output| Output::from_json(output).is_none()) {
            Some(index) => Err(format!("has a malformed output (number {})", index + 1)),
            None => Ok(()),
        },
        _ => Err("has `outputs` that are not a list".into()),
    }
}
