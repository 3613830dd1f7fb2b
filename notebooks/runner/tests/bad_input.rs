//! Files that are no notebooks, and machines that lack something: one line, the right exit code, no harm.

use crate::notebooks::{Folder, LEDGER, Ran, code, command, notebook, run};
use serde_json::json;

#[test]
fn files_that_are_no_rust_notebooks() {
    let folder = Folder::new();
    let good = notebook(&[code(LEDGER, &[])]).to_string();
    let mut old = notebook(&[code(LEDGER, &[])]);
    old["nbformat"] = json!(3);
    let mut python = notebook(&[code("print(1)", &[])]);
    python["metadata"] =
        json!({ "kernelspec": { "language": "python", "name": "python3", "display_name": "Python 3" } });
    let cases = [
        ("picture", b"\x89PNG\r\n\x1a\n\xff\xfe".to_vec(), "UTF-8"),
        ("list", b"[1, 2]".to_vec(), "notebook"),
        ("truncated", good.as_bytes()[..good.len() / 2].to_vec(), "line"),
        ("old", old.to_string().into_bytes(), "nbformat"),
        ("python", python.to_string().into_bytes(), "python"),
        ("empty_file", Vec::new(), ""),
        ("no_cells", notebook(&[]).to_string().into_bytes(), "cell"),
    ];
    for (name, bytes, wanted) in cases {
        let path = folder.write(name, &bytes);
        let ran = run(&[&path], &[]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let complaint = ran.complaint(&format!("{name}.ipynb"));
        assert!(complaint.contains(wanted), "{complaint}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name} was changed");
    }
}

#[test]
fn files_that_are_not_there() {
    let folder = Folder::new();
    let ran = run(&[&folder.path("nowhere")], &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.complaint("nowhere.ipynb").contains("nowhere.ipynb: "));
    let unknown = run(&["99_unheard_of".as_ref()], &[]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.starts_with("no notebook `99_unheard_of`: there are "), "{unknown:?}");
}

#[test]
fn no_cargo_on_the_path() {
    let folder = Folder::new();
    let path = folder.notebook("fine", &[LEDGER]);
    let ran = Ran::from(command(&[&path]).env("PATH", "").output().unwrap());
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("cargo is not on PATH") && ran.stderr.trim_end().lines().count() == 1, "{ran:?}");
}

#[test]
fn options_that_make_no_sense() {
    let folder = Folder::new();
    let path = folder.notebook("fine", &[LEDGER]);
    for options in [["--cell-timeout", "0"], ["--memory", "-1"], ["--memory", "NaN"], ["--jobs", "0"]] {
        assert_eq!(run(&[&path], &options).code, Some(2), "{options:?}");
    }
}

#[test]
fn no_network_once_the_library_is_compiled() {
    let folder = Folder::new();
    let library = std::path::Path::new(env!("MLNOTES_CHECKOUT"));
    let import = format!(":dep mlnotes = {{ path = {:?} }}\nuse mlnotes::prelude::*;", library.display().to_string());
    let path = folder.notebook("offline", &[&import, "let e = Error::domain(\"a\", 1, \"2\"); e.to_string()", LEDGER]);
    assert_eq!(run(&[&path], &[]).code, Some(0));
    // An address where nobody listens: whatever asks the network fails.
    let ran = Ran::from(
        command(&[&path])
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("CARGO_HTTP_PROXY", "http://127.0.0.1:9")
            .env("CARGO_NET_RETRY", "0")
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// Root may write everywhere, so there the case cannot be made.
#[cfg(unix)]
#[test]
fn a_read_only_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.notebook("locked", &[LEDGER]);
    let parent = path.parent().unwrap();
    let before = std::fs::read(&path).unwrap();
    std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o555)).unwrap();
    let root = std::fs::write(parent.join("probe"), "").is_ok();
    let ran = run(&[&path], &[]);
    std::fs::set_permissions(parent, std::fs::Permissions::from_mode(0o755)).unwrap();
    if root {
        return;
    }
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.complaint("locked.ipynb").contains("locked.ipynb: "));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
