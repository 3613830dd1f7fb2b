use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Kind, Notebook, Output};

fn notebook(json: &Value) -> Notebook {
    Notebook::parse("a.ipynb", &json.to_string()).unwrap()
}

fn with_cells(cells: Value) -> Value {
    json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells })
}

fn markdown(text: &str) -> Value {
    json!({ "cell_type": "markdown", "metadata": {}, "source": text })
}

fn code(text: &str) -> Value {
    json!({ "cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": null })
}

fn refusal(text: &str) -> String {
    Notebook::parse("folder/a.ipynb", text).unwrap_err().to_string()
}

#[test]
fn each_defect_is_one_sentence_with_the_path_and_a_remedy() {
    let whole = with_cells(json!([code("1")])).to_string();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut json = with_cells(json!([code("1")]));
        edit(&mut json);
        json.to_string()
    };
    let cases = [
        (String::new(), "the file is empty"),
        (" \n".into(), "the file is empty"),
        (whole[..whole.len() / 2].into(), "cut short"),
        ("{\n  \"cells\": [},".into(), "not JSON (expected value, line 2, column 13)"),
        ("<<<<<<< HEAD".into(), "merge conflict"),
        ("[".repeat(100_000), "not JSON (recursion limit exceeded"),
        ("[1, 2]".into(), "no object at its top"),
        ("{}".into(), "neither `nbformat` nor `cells`"),
        (with(&|nb| nb["cells"] = Value::Null), "no `cells`"),
        (with(&|nb| nb["cells"] = json!({})), "not a list"),
        (with(&|nb| nb["cells"] = json!([])), "zero cells"),
        (with(&|nb| nb["nbformat"] = json!(3)), "its nbformat is 3, but 4 is needed: open it in JupyterLab"),
        (with(&|nb| nb["nbformat"] = json!(5)), "jupyter nbconvert --to notebook"),
        (with(&|nb| nb["nbformat"] = Value::Null), "no `nbformat`"),
        (with(&|nb| nb["cells"][0] = json!(7)), "cell 1 has no `cell_type`"),
        (with(&|nb| nb["cells"][0]["cell_type"] = json!("heading")), "unknown `cell_type` \"heading\""),
        (with(&|nb| nb["cells"][0]["source"] = Value::Null), "no `source`"),
        (with(&|nb| nb["cells"][0]["source"] = json!(["a", 1])), "no `source`"),
        (with(&|nb| nb["cells"][0]["outputs"] = json!("x")), "not a list"),
        (with(&|nb| nb["cells"][0]["outputs"] = json!([{ "output_type": "stream" }])), "malformed output (number 1)"),
        (with(&|nb| nb["metadata"]["kernelspec"] = json!({ "language": "python" })), "\"python\" kernel"),
        (with(&|nb| nb["metadata"]["language_info"] = json!({ "name": "julia" })), "\"julia\" kernel"),
    ];
    for (text, expected) in cases {
        let message = refusal(&text);
        assert!(message.starts_with("folder/a.ipynb: ") && message.contains(expected), "{message}");
        assert!(!message.contains('\n') && message.matches(": ").count() >= 1, "{message}");
    }
}

#[test]
fn rust_in_any_case_and_no_kernel_at_all_are_accepted() {
    for metadata in [
        json!({}),
        json!({ "kernelspec": { "language": "RUST", "name": "rust" }, "language_info": { "name": "Rust" } }),
    ] {
        let mut json = with_cells(json!([code("1")]));
        json["metadata"] = metadata;
        notebook(&json);
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| Notebook::read(path).unwrap_err().to_string();
    assert!(message(&folder.path().join("none.ipynb")).ends_with("no such file: check the name and the folder"));
    assert!(message(folder.path()).contains("this is a directory"));
    let latin = folder.path().join("latin.ipynb");
    fs::write(&latin, b"{\"caf\xe9\": 1}").unwrap();
    assert!(message(&latin).contains("not UTF-8 text (from byte 5 on)"));
}

#[test]
fn json_is_pythons_byte_for_byte() {
    let nasty = Notebook::parse("nasty", include_str!("testdata/nasty.json")).unwrap();
    assert_eq!(nasty.to_json(), include_str!("testdata/nasty.ipynb"));
    let again = Notebook::parse("nasty", &nasty.to_json()).unwrap();
    assert_eq!(again.to_json(), nasty.to_json());
}

#[test]
fn cells_are_seen_in_order_and_unknown_fields_survive() {
    let mut first = code("let x = 1;\nx");
    first["source"] = json!(["let x = 1;\n", "x"]);
    first["metadata"] = json!({ "tags": ["volatile", 3, "more"], "mine": { "b": 1, "a": 2 } });
    first["id"] = json!("abc");
    let attached = json!({ "cell_type": "markdown", "metadata": {}, "source": "![](attachment:a.png)",
        "attachments": { "a.png": { "image/png": ["iVBO", "Rw=="] } } });
    let raw = json!({ "cell_type": "raw", "metadata": {}, "source": "" });
    let mut notebook = notebook(&with_cells(json!([first, attached, raw])));
    {
        let cells: Vec<_> = notebook.cells().collect();
        assert_eq!(cells.iter().map(super::Cell::kind).collect::<Vec<_>>(), [Kind::Code, Kind::Markdown, Kind::Raw]);
        assert_eq!(cells[0].source(), "let x = 1;\nx");
        assert_eq!((cells[0].json["id"].as_str(), cells[1].json["id"].as_str()), (Some("abc"), None));
        assert_eq!(cells[0].tags(), ["volatile", "more"]);
        assert!(cells[0].is_volatile() && !cells[1].is_volatile());
        assert_eq!(cells[1].attachment("a.png"), Some(("image/png", "iVBORw==".into())));
        assert_eq!(cells[1].attachment("b.png"), None);
    }
    notebook.normalise();
    assert!(notebook.to_json().contains("\"mine\": {\n     \"a\": 2,\n     \"b\": 1\n    }"));
}

#[test]
fn outputs_go_in_and_come_back() {
    let stream = Output::Stream { name: "stdout".into(), text: "one\ntwo\r\nthree\u{2028}four".into() };
    let data = Output::Data {
        data: [
            ("text/plain", "x"),
            ("text/html", ""),
            ("image/png", "iVBO\n"),
            ("application/json", "{\"a\":[\"b\"]}"),
        ]
        .map(|(mime, text)| (mime.to_owned(), text.to_owned()))
        .into(),
    };
    let error =
        Output::Error { name: "Panic".into(), value: "oh".into(), traceback: vec!["a\n".into(), String::new()] };
    let outputs = vec![stream, data, error];
    let mut notebook = notebook(&with_cells(json!([markdown("# A"), code("1"), code("2")])));
    notebook.set_outputs(1, &outputs, Some(7)).unwrap();
    let cells: Vec<_> = notebook.cells().collect();
    assert_eq!(cells[2].outputs(), outputs);
    assert_eq!((cells[2].execution_count(), cells[1].execution_count()), (Some(7), None));
    let stored = &notebook.json["cells"][2]["outputs"];
    assert_eq!(stored[0]["text"], json!(["one\n", "two\r\n", "three\u{2028}", "four"]));
    assert_eq!(stored[1]["execution_count"], 7);
    assert_eq!(stored[1]["data"]["text/html"], json!([]));
    assert_eq!(stored[1]["data"]["image/png"], "iVBO\n");
    assert_eq!(stored[1]["data"]["application/json"], json!({ "a": ["b"] }));
    let message = notebook.set_outputs(2, &outputs, None).unwrap_err().to_string();
    assert_eq!(message, "a.ipynb: it has no code cell number 2 (from 0)");
}

#[test]
fn normalising_leaves_only_content_and_is_idempotent() {
    let mut noisy = code("1\n2");
    noisy["metadata"] = json!({ "execution": { "iopub.status.busy": "t" }, "collapsed": true, "scrolled": "auto",
        "tags": ["keep"] });
    noisy["outputs"] = json!([{ "output_type": "stream", "name": "stdout", "text": "a\nb\n" }]);
    let mut bare = markdown("x");
    bare["metadata"] = json!("wrong");
    let bad_id = |id: &str| json!({ "cell_type": "raw", "metadata": {}, "source": "", "id": id });
    let cells = json!([noisy, bare, bad_id("twice"), bad_id("twice"), bad_id("no spaces"), bad_id("cell-00"),
        { "cell_type": "code", "source": "" }]);
    let mut notebook = notebook(&json!({ "nbformat": 4, "nbformat_minor": 2, "cells": cells }));
    notebook.normalise();
    let json = &notebook.json;
    assert_eq!(json["cells"][0]["metadata"], json!({ "tags": ["keep"] }));
    assert_eq!(json["cells"][0]["source"], json!(["1\n", "2"]));
    assert_eq!(json["cells"][0]["outputs"][0]["text"], json!(["a\n", "b\n"]));
    assert_eq!(json["cells"][1]["metadata"], json!({}));
    assert_eq!(json["cells"][6]["outputs"], json!([]));
    assert!(json["cells"][6].as_object().unwrap().contains_key("execution_count"));
    let ids: Vec<_> = notebook.cells().filter_map(|cell| cell.json["id"].as_str()).collect();
    assert_eq!(ids, ["cell-00x", "cell-01", "twice", "cell-03", "cell-04", "cell-00", "cell-06"]);
    assert_eq!(json["nbformat_minor"], 5);
    assert_eq!(json["metadata"]["kernelspec"]["name"], "mlnotes");
    assert_eq!(json["metadata"]["language_info"]["pygments_lexer"], "rust");
    let once = notebook.to_json();
    notebook.normalise();
    assert_eq!(notebook.to_json(), once);
}

#[test]
fn title_and_subtitle_come_from_markdown_only() {
    let of = |cells: &[&str]| {
        let notebook = notebook(&with_cells(cells.iter().map(|text| markdown(text)).collect()));
        (notebook.title(), notebook.subtitle())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        of(&["```\n# not this\n```\n", "# The `Perceptron`\n\n> **提要** 感知机\n\nWhy $w$\nmoves.\n\nMore."]),
        (some("The Perceptron"), some("Why $w$\nmoves."))
    );
    assert_eq!(of(&["# A", "B"]), (some("A"), some("B")));
    assert_eq!(of(&["# A\n\n## B\n\nC"]), (some("A"), None));
    assert_eq!(of(&["A", "## B"]), (None, None));
    assert_eq!(of(&["# "]).0, None);
}

#[test]
fn writing_keeps_permissions_follows_links_and_skips_equal_bytes() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("a.ipynb"), folder.path().join("link.ipynb"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let notebook = notebook(&with_cells(json!([code("1")])));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a.ipynb", &link).unwrap();
    assert_eq!(notebook.write_atomically(&link), Ok(true));
    assert_eq!(fs::read_to_string(&file).unwrap(), notebook.to_json());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode(&file), 0o640);
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(notebook.write_atomically(&file), Ok(false));
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);

    let (new, plain) = (folder.path().join("new.ipynb"), folder.path().join("plain"));
    fs::write(&plain, "").unwrap();
    assert_eq!(notebook.write_atomically(&new), Ok(true));
    assert_eq!(mode(&new), mode(&plain), "a new file is as open as any other");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left behind");
    let message = notebook.write_atomically(folder.path().join("none/a.ipynb")).unwrap_err().to_string();
    assert!(message.contains("does not exist: make it first; the file is as it was"), "{message}");
    assert!(notebook.write_atomically(folder.path()).unwrap_err().to_string().contains("directory"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_is_named_and_the_file_stays() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.ipynb");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let notebook = notebook(&with_cells(json!([code("1")])));
    let path = file.clone();
    let attempt = std::thread::spawn(move || {
        // Root may write anywhere, so this one thread becomes somebody else.
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        notebook.write_atomically(&path)
    });
    let message = attempt.join().unwrap().unwrap_err().to_string();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(message.contains("its folder is read-only: make the folder writable"), "{message}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
