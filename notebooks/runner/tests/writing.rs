//! What is written, and that writing it again changes nothing.

use crate::notebooks::{Folder, LEDGER, read, run};

const CLOCK: &str = "std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos()";

#[test]
fn outputs_are_written_once_and_then_stay() {
    let folder = Folder::new();
    let path = folder.tagged(
        "stays",
        &[
            ("println!(\"感知器 <b>\");\neprintln!(\"to the error stream\");\nvec![1.5, f64::NAN]", &[]),
            ("  ", &[]),
            (CLOCK, &["volatile"]),
            (LEDGER, &[]),
        ],
    );
    assert_eq!(run(&[&path], &[]).code, Some(0));
    let first = std::fs::read(&path).unwrap();
    let cells = read(&path)["cells"].clone();
    let outputs = cells[0]["outputs"].as_array().unwrap();
    assert_eq!(outputs[0]["text"][0], "感知器 <b>\n");
    assert_eq!(outputs[1]["name"], "stderr");
    assert_eq!(outputs[2]["data"]["text/plain"][0], "[1.5, NaN]");
    assert_eq!(outputs[2]["execution_count"], 1);
    assert!(cells[1]["execution_count"].is_null(), "an empty cell is not executed");
    assert_eq!(cells[2]["execution_count"], 2);

    // The volatile cell's clock has moved on; its committed output stays.
    assert_eq!(run(&[&path], &[]).code, Some(0));
    assert_eq!(std::fs::read(&path).unwrap(), first);
    assert_eq!(run(&[&path], &["--check"]).code, Some(0));
}

#[test]
fn each_cell_gets_its_own_text_and_only_that() {
    let folder = Folder::new();
    let cells: &[(&str, &[&str])] = &[
        ("print!(\"no newline\");", &[]),
        ("eprint!(\"here neither\"); let a = 1;", &[]),
        ("eprint!(\"before\"); None::<i32>.unwrap()", &["raises-exception"]),
        ("let b = 2.5; std::panic::catch_unwind(|| panic!(\"survived\")).is_err()", &[]),
        (":vars", &[]),
        (":clear", &[]),
        ("panic!(\"after a clearing\")", &["raises-exception"]),
        (LEDGER, &[]),
    ];
    let path = folder.tagged("text", cells);
    let ran = run(&[&path], &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let notebook = read(&path);
    let output = |cell: usize, number: usize| notebook["cells"][cell]["outputs"][number].clone();
    assert_eq!(output(0, 0)["text"][0], "no newline\n");
    assert_eq!(output(1, 0)["text"][0], "here neither\n");
    assert_eq!(output(2, 0)["text"][0], "before\n");
    assert_eq!(output(2, 1)["ename"], "Panic");
    assert_eq!(output(3, 0)["text"][0], "panicked: survived\n");
    assert_eq!(output(3, 1)["data"]["text/plain"][0], "true");
    assert_eq!(output(4, 0)["data"]["text/plain"], serde_json::json!(["a: i32\n", "b: f64"]));
    assert_eq!(output(6, 0)["evalue"], "after a clearing");
}

#[test]
fn check_finds_an_output_that_is_no_longer_true() {
    let folder = Folder::new();
    let path = folder.notebook("old", &["let a = 41;", "a + 1", LEDGER]);
    let never_executed = run(&[&path], &["--check"]);
    assert_eq!(never_executed.code, Some(1), "{never_executed:?}");
    assert_eq!(run(&[&path], &[]).code, Some(0));
    let edited = std::fs::read_to_string(&path).unwrap().replace("a + 1", "a + 2");
    std::fs::write(&path, &edited).unwrap();
    let ran = run(&[&path], &["--check"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("old, cell 2: the committed output (-) is not what comes out now (+)"), "{ran:?}");
    assert!(ran.stderr.contains("- 42\n") && ran.stderr.contains("+ 43\n"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), edited, "--check wrote");
}

#[test]
fn the_table_says_how_it_went() {
    let folder = Folder::new();
    let path = folder.notebook("table", &["let a = 1;", LEDGER]);
    let ran = run(&[&path], &[]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "notebook | cells | checks passed | first cell s | total s", "{ran:?}");
    let cells: Vec<&str> = lines[2].split('|').map(str::trim).collect();
    assert_eq!(cells[..3], ["table", "2", "1/1"]);
    assert!(cells[3].parse::<f64>().unwrap() <= cells[4].parse::<f64>().unwrap());
}
