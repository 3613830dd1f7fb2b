use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{BookError, Source, render};
use crate::notebook::Notebook;

mod attacks;
mod markdown;
mod site;

fn md(text: &str) -> Value {
    json!({ "cell_type": "markdown", "metadata": {}, "source": text })
}

fn code(source: &str, outputs: Value) -> Value {
    json!({ "cell_type": "code", "metadata": {}, "source": source, "outputs": outputs, "execution_count": 3 })
}

fn shown(mime: &str, text: &str) -> Value {
    let mut data = serde_json::Map::new();
    data.insert(mime.into(), text.into());
    json!([{ "output_type": "display_data", "metadata": {}, "data": data }])
}

fn source(name: &str, folder: &Path, cells: &[Value]) -> Source {
    let json = json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells });
    let path = folder.join(format!("{name}.ipynb"));
    Source { name: name.into(), notebook: Notebook::parse(path, &json.to_string()).unwrap() }
}

/// The page of a notebook with these cells, and the faults that came with it.
fn page_and_faults(cells: &[Value]) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("book");
    let result = render(&[source("a", folder.path(), cells), source("02_b", folder.path(), &[md("# B")])], &out);
    let faults = match result {
        Ok(()) => Vec::new(),
        Err(BookError::Faults(faults)) => {
            faults.iter().map(|f| format!("{} {}: {}", f.notebook, f.cell, f.what)).collect()
        }
        Err(error) => panic!("{error}"),
    };
    (fs::read_to_string(out.join("a.html")).unwrap(), faults)
}

fn page(cells: &[Value]) -> String {
    let (page, faults) = page_and_faults(cells);
    assert_eq!(faults, Vec::<String>::new());
    page
}

fn contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}
