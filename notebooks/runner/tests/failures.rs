//! Each way in which a cell can fail must be noticed: evcxr itself reports the first two as success.

use std::path::Path;

use crate::notebooks::{Folder, LEDGER, read, run};

/// Notebook, its cells, and what must be said of it.
const FAILING: &[(&str, &[&str], &str)] = &[
    ("panics", &["let v: Vec<i32> = vec![];", "v[3]", LEDGER], "panics, cell 2: panicked: index out of bounds"),
    (
        "returns",
        &[r#"let n: i32 = "x".parse::<i32>()?;"#, LEDGER],
        "returns, cell 1: returned an error: invalid digit found in string",
    ),
    (
        "no_compile",
        &["let a = 1;", "", "let n: i32 = \"x\";", LEDGER],
        "no_compile, cell 2: does not compile: mismatched types",
    ),
    ("exits", &["std::process::exit(0);", LEDGER], "exits, cell 1: ended its process: "),
    ("aborts", &["std::process::abort();", LEDGER], "aborts, cell 1: ended its process: "),
    ("loops", &["loop { std::hint::spin_loop(); }", LEDGER], "loops, cell 1: timed out: the cell ran longer than 20 s"),
    (
        "allocates",
        &["let mut v: Vec<Vec<u8>> = vec![]; loop { v.push(vec![1; 1 << 26]); }", LEDGER],
        "allocates, cell 1: ran out of memory: ",
    ),
    ("prints", &["for i in 0..2_000_000 { println!(\"{i:050}\"); }", LEDGER], "prints, cell 1: printed too much: "),
    ("no_ledger", &["1 + 1"], "no_ledger, cell 1: the last cell shows no line `CHECKS n/n`"),
    ("ledger_short", &["println!(\"CHECKS 1/2\");"], "ledger_short, cell 1: CHECKS 1/2: 1 failed"),
    ("ledger_empty", &["println!(\"CHECKS 0/0\");"], "ledger_empty, cell 1: CHECKS 0/0"),
    ("ledger_early", &[LEDGER, "let a = 1;"], "ledger_early, cell 2: the last cell shows no line `CHECKS n/n`"),
];

#[test]
fn every_failure_is_noticed_and_leaves_the_file_alone() {
    let folder = Folder::new();
    let paths: Vec<_> = FAILING.iter().map(|(name, cells, _)| folder.notebook(name, cells)).collect();
    let before: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let good = folder.notebook("good", &["let a = 1;", "a", LEDGER]);
    let all: Vec<&Path> = paths.iter().chain([&good]).map(AsRef::as_ref).collect();
    let ran = run(&all, &["--cell-timeout", "20", "--memory", "1"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for (((name, _, wanted), path), before) in FAILING.iter().zip(&paths).zip(before) {
        let complaint = ran.complaint(&format!("{name}, cell"));
        assert!(complaint.starts_with(wanted), "{complaint}\n{wanted} was wanted");
        assert_eq!(std::fs::read(path).unwrap(), before, "{name} was changed");
    }
    // A failing neighbour takes nothing from a good notebook.
    assert_eq!(read(&good)["cells"][1]["outputs"][0]["data"]["text/plain"][0], "1");
}

#[test]
fn a_failure_that_is_shown_on_purpose_keeps_the_variables() {
    let folder = Folder::new();
    let path = folder.tagged(
        "shown",
        &[
            ("let kept = vec![1, 2, 3];", &[]),
            ("let lost = 1; kept[7]", &["raises-exception"]),
            ("let lost: i32 = \"x\".parse::<i32>()?;", &["raises-exception"]),
            ("kept.len() + lost", &["raises-exception"]),
            ("kept.len()", &[]),
            (LEDGER, &[]),
        ],
    );
    let ran = run(&[&path], &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let cells = read(&path)["cells"].clone();
    let kinds: Vec<_> = (1..4).map(|cell| cells[cell]["outputs"][0]["ename"].clone()).collect();
    assert_eq!(kinds, ["Panic", "Error", "CompileError"]);
    assert_eq!(cells[4]["outputs"][0]["data"]["text/plain"][0], "3");
}

#[test]
fn a_failure_announced_must_come() {
    let folder = Folder::new();
    let path = folder.tagged("tame", &[("let a = 1;", &["raises-exception"]), (LEDGER, &[])]);
    let ran = run(&[&path], &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.complaint("tame, cell 1").contains("tagged raises-exception, but it succeeded"));
}
