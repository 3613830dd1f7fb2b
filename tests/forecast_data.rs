//! Tables, published sets, splits and windows against pandas, scikit-learn and loops, and files that must be refused.

use std::path::PathBuf;

use mlnotes::data::Reference;
use mlnotes::forecast::data::{Borders, Clock, DataSet, Located, Rule, Splits, Step, Table, Windows};
use ndarray::{Array2, Array3, Axis, array, s};

use crate::{assert_close, message};

/// In months of 28 days, so that no calendar is needed: even they are not.
fn days(count: usize) -> Vec<String> {
    let date = |day: usize| format!("{}-{:02}-{:02}", 2000 + day / 336, 1 + day / 28 % 12, 1 + day % 28);
    (0..count).map(date).collect()
}

fn uneven(values: Array2<f64>) -> Table {
    let columns: Vec<String> = (0..values.ncols()).map(|column| format!("c{column}")).collect();
    Table::new("drawn", &days(values.nrows()), &columns, values, Clock::Uneven).unwrap()
}

fn hourly(rows: usize, clock: Clock) -> mlnotes::Result<Table> {
    let dates: Vec<String> =
        (0..rows).map(|hour| format!("2024-03-{:02}T{:02}:00", 1 + hour / 24, hour % 24)).collect();
    Table::new("hours", &dates, &["a"], Array2::from_shape_fn((rows, 1), |(row, _)| row as f64), clock)
}

/// Row, step and channel of every window.
fn all(windows: &Windows) -> (Array3<f32>, Array3<f32>) {
    let (x, y) = windows.batch(&(0..windows.len()).collect::<Vec<_>>()).unwrap();
    let array = |tensor: candle_core::Tensor| {
        let shape = tensor.dims3().unwrap();
        Array3::from_shape_vec(shape, tensor.flatten_all().unwrap().to_vec1().unwrap()).unwrap()
    };
    (array(x), array(y))
}

fn parts(splits: &Splits) -> [(&'static str, &Windows); 3] {
    [("train", &splits.train), ("validation", &splits.validation), ("test", &splits.test)]
}

/// Planted: mean and deviation of all rows; validation without the rows behind it; the test part with one fewer behind it,
/// or with one more at its end. Each turns this red.
#[test]
fn splits_are_those_of_pandas_and_scikit_learn() {
    let sklearn = Reference::load("forecast", "splits").unwrap();
    let values: Array2<f64> = sklearn.array("values").unwrap();
    let lengths = sklearn.labels::<ndarray::Ix1>("lengths").unwrap();
    let (seq_len, pred_len) = (lengths[0], lengths[1]);
    let table = uneven(values);
    for rule in ["published", "own"] {
        let ends = sklearn.labels::<ndarray::Ix1>(&format!("{rule}_ends")).unwrap();
        let borders = Borders { train: 0..ends[0], validation: ends[0]..ends[1], test: ends[1]..ends[2] };
        if rule == "published" {
            assert_eq!(Rule::PUBLISHED.borders(400).unwrap(), borders);
        }
        let splits = Splits::new(&table, &borders, seq_len, pred_len).unwrap();
        let want = |name: &str| sklearn.array::<ndarray::Ix1>(&format!("{rule}_{name}")).unwrap();
        assert_close(&splits.scaler.mean, &want("mean"), 1e-11);
        assert_close(&splits.scaler.scale, &want("scale"), 1e-11);
        assert_eq!(splits.columns, table.columns());
        for (part, windows) in parts(&splits) {
            let count = sklearn.labels::<ndarray::Ix1>(&format!("{rule}_{part}_count")).unwrap()[0];
            assert_eq!((windows.len(), windows.channels()), (count, 3), "{rule} {part}");
            let want: Array3<f64> = sklearn.array(&format!("{rule}_{part}")).unwrap();
            let (x, y) = all(windows);
            for (case, window) in [0, count / 2, count - 1].into_iter().enumerate() {
                // |z| stays below 30, so that f32 rounds by less than 1e-6.
                let near = |got: ndarray::ArrayView2<f32>, want: ndarray::ArrayView2<f64>| {
                    assert_close(&got.mapv(f64::from), &want.to_owned(), 2e-6);
                };
                near(x.index_axis(Axis(0), window), want.slice(s![case, ..seq_len, ..]));
                near(y.index_axis(Axis(0), window), want.slice(s![case, seq_len.., ..]));
            }
        }
    }
}

/// The other oracle: every number of every window by loops over the table. Planted: shares rounded up.
#[test]
fn every_window_is_rows_of_the_scaled_table() {
    for (rows, seq_len, pred_len) in [(30, 4, 3), (10, 1, 1), (57, 20, 5), (40, 3, 8)] {
        let table = uneven(Array2::from_shape_fn((rows, 2), |(row, column)| ((row * 7 + column * 3) % 11) as f64));
        let borders = Rule::Fractions { train: 0.5, test: 0.25 }.borders(rows).unwrap();
        let splits = Splits::new(&table, &borders, seq_len, pred_len);
        let (first, second, third) = (rows / 2, rows / 2..rows - rows / 4, rows - rows / 4..rows);
        if first < seq_len + pred_len || second.len() < pred_len || third.len() < pred_len {
            assert!(message(splits).contains("longer"));
            continue;
        }
        let splits = splits.unwrap();
        let mut statistics = Vec::new();
        for column in table.values().columns() {
            let mean = (0..first).map(|row| column[row]).sum::<f64>() / first as f64;
            let variance = (0..first).map(|row| (column[row] - mean).powi(2)).sum::<f64>() / first as f64;
            statistics.push((mean, variance.sqrt()));
        }
        let starts = [0, second.start - seq_len, third.start - seq_len];
        let ends = [first, second.end, third.end];
        for ((part, windows), (start, end)) in parts(&splits).into_iter().zip(starts.into_iter().zip(ends)) {
            assert_eq!(windows.len(), end - start - seq_len - pred_len + 1, "{part}");
            let (x, y) = all(windows);
            for window in 0..windows.len() {
                for (column, (mean, deviation)) in statistics.iter().enumerate() {
                    for step in 0..seq_len + pred_len {
                        let want = (table.values()[[start + window + step, column]] - mean) / deviation;
                        let got = if step < seq_len {
                            x[[window, step, column]]
                        } else {
                            y[[window, step - seq_len, column]]
                        };
                        assert!((f64::from(got) - want).abs() < 1e-6, "{part} {window} {step}: {got} for {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn published_rules_give_the_published_counts() {
    let etth1 = DataSet::named("ETTh1").unwrap();
    let table = uneven(Array2::from_shape_fn((etth1.rows, 7), |(row, column)| ((row * (column + 2)) % 13) as f64));
    let borders = etth1.rule.borders(etth1.rows).unwrap();
    for (pred_len, counts) in [(96, [8449, 2785, 2785]), (720, [7825, 2161, 2161])] {
        let splits = Splits::new(&table, &borders, 96, pred_len).unwrap();
        assert_eq!(parts(&splits).map(|(_, windows)| windows.len()), counts);
    }
    // As TimesNet's table of data sets has them, at L = 96 and H = 0 (exchange: 96).
    for (name, pred_len, counts) in [
        ("ETTh2", 0, [8545, 2881, 2881]),
        ("ETTm1", 0, [34_465, 11_521, 11_521]),
        ("weather", 0, [36_792, 5271, 10_540]),
        ("electricity", 0, [18_317, 2633, 5261]),
        ("traffic", 0, [12_185, 1757, 3509]),
        ("exchange_rate", 96, [5120, 665, 1422]),
    ] {
        let set = DataSet::named(name).unwrap();
        let Borders { train, validation, test } = set.rule.borders(set.rows).unwrap();
        let got = [train.len() - 96, validation.len(), test.len()].map(|rows| rows - pred_len + 1);
        assert_eq!((got, train.end, validation.end), (counts, validation.start, test.start), "{name}");
    }
    assert_eq!(DataSet::named(" ecl ").unwrap().name, "electricity");
    for set in DataSet::ALL {
        assert_eq!(DataSet::named(set.name).unwrap(), &set);
        let address = format!("{}/{}", set.folder, set.file);
        assert!(set.address().starts_with("https://") && set.address().ends_with(&address), "{}", set.name);
        let digits = set.sha256.bytes().filter(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).count();
        assert_eq!((digits, set.sha256.len()), (64, 64), "{}", set.name);
    }
}

#[test]
fn impossible_cuts_are_refused() {
    let table = hourly(40, Clock::Even).unwrap();
    let borders = |train, validation, test| Borders { train, validation, test };
    for (wrong, part) in [
        (borders(0..20, 20..30, 30..41), "test"),
        (borders(0..20, 19..30, 30..40), "validation"),
        (borders(0..20, 20..20, 20..40), "validation"),
        (borders(5..5, 20..30, 30..40), "train"),
        (borders(0..20, 20..30, 29..40), "test"),
        (borders(0..20, 20..30, 30..usize::MAX), "test"),
    ] {
        let message = message(Splits::new(&table, &wrong, 2, 1));
        assert!(message.starts_with(&format!("`{part}` is ")) && message.contains("at least one row"), "{message}");
    }
    let good = borders(0..20, 20..30, 30..40);
    for (seq_len, pred_len, part) in
        [(16, 5, "train"), (2, 11, "validation"), (usize::MAX, 1, "train"), (1, usize::MAX, "train")]
    {
        let message = message(Splits::new(&table, &good, seq_len, pred_len));
        assert!(message.starts_with(&format!("`{part}` is ")) && message.contains("a shorter seq_len"), "{message}");
    }
    assert!(message(Splits::new(&table, &borders(0..20, 20..30, 30..32), 2, 3)).starts_with("`test` is 30..32"));
    assert!(message(Splits::new(&table, &good, 0, 1)).contains("seq_len"));
    assert!(message(Splits::new(&table, &good, 1, 0)).contains("pred_len"));
    assert!(message(Rule::Months { per_hour: 1 }.borders(14_399)).contains("at least 14400"));
    assert!(Rule::Months { per_hour: 1 }.borders(14_400).is_ok());
    assert!(message(Rule::Months { per_hour: 0 }.borders(9)).contains("at least 1"));
    assert!(message(Rule::Months { per_hour: usize::MAX }.borders(9)).contains("20 months"));
    for (train, test) in [(0.0, 0.2), (0.7, 0.3), (f64::NAN, 0.2), (0.7, f64::NAN), (-0.1, 0.2), (f64::INFINITY, 0.1)] {
        assert!(message(Rule::Fractions { train, test }.borders(100)).contains("for instance 0.7 and 0.2"));
    }
    for rows in 0..4 {
        assert!(message(Rule::PUBLISHED.borders(rows)).contains(&format!("of the {rows} that")), "{rows}");
    }
}

#[test]
fn a_constant_channel_becomes_0_and_a_huge_number_is_refused() {
    let mut values = Array2::from_shape_fn((20, 2), |(row, _)| (row % 4) as f64);
    values.column_mut(1).fill(7.0);
    let borders = Rule::PUBLISHED.borders(20).unwrap();
    let splits = Splits::new(&uneven(values.clone()), &borders, 3, 1).unwrap();
    assert_eq!(splits.scaler.scale[1], 1.0);
    assert!(all(&splits.train).0.slice(s![.., .., 1]).iter().all(|value| *value == 0.0));
    values[[19, 1]] = 1e300;
    assert!(message(Splits::new(&uneven(values.clone()), &borders, 3, 1)).contains("holds inf"));
    values[[0, 1]] = 1e300;
    assert!(message(Splits::new(&uneven(values), &borders, 3, 1)).contains("variance"));
}

/// Planted: months counted from the row above, which loses the 31st after February.
#[test]
fn tables_know_their_step() {
    let step = |dates: &[&str], clock| {
        let values = Array2::zeros((dates.len(), 1));
        Table::new("steps", dates, &["a"], values, clock).map(|table| table.step().map(|step| step.to_string()))
    };
    for (dates, want) in [
        (&["2024-01-01 00:00", "2024-01-01 00:15", "2024-01-01 00:30"][..], "15 min"),
        (&["2024/1/1 0:00", "2024/1/2 0:00", "2024/1/3 00:00:00"], "1 d"),
        (&["2024-02-28T23:00:00", "2024-02-29T00:00:00"], "1 h"),
        (&["2024-01-01", "2024-01-01 00:00:07"], "7 s"),
        (&["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], "1 month"),
        (&["2023-01-01", "2023-04-01", "2023-07-01", "2023-10-01", "2024-01-01"], "3 months"),
        (&["2023-03-01", "2024-03-01", "2025-03-01"], "12 months"),
        (&["2024-01-01", "2024-01-08"], "7 d"),
    ] {
        for clock in [Clock::Even, Clock::Uneven] {
            assert_eq!(step(dates, clock).unwrap().as_deref(), Some(want));
        }
    }
    assert_eq!(step(&["2024-01-01"], Clock::Even).unwrap(), None);
    for uneven in [
        &["2024-01-01", "2024-01-02", "2024-01-04"][..],
        &["2024-01-01", "2024-01-01", "2024-01-01"],
        &["2024-01-01", "2024-02-01", "2024-02-01", "2024-04-01"],
    ] {
        assert_eq!(step(uneven, Clock::Uneven).unwrap(), None);
        assert!(step(uneven, Clock::Even).is_err());
    }
    assert_eq!(Step::Months(1).to_string(), "1 month");
    let zero = array![[1.0], [2.0]];
    let table = Table::new("two", &["2024-01-01", "2024-01-01"], &["a"], zero, Clock::Uneven).unwrap();
    assert_eq!(table.dates()[0], table.dates()[1]);
    assert_eq!(format!("{table:?}"), "Table two: 2 rows, 1 columns (a), from 2024-01-01 00:00:00");
}

/// Planted: a date that is there twice let through; one that goes back let through.
#[test]
fn tables_refuse_what_is_not_even() {
    let table = |dates: &[&str], clock| Table::new("t", dates, &["a"], Array2::zeros((dates.len(), 1)), clock);
    for (dates, words) in [
        (&["2024-01-01", "2024-01-02", "2024-01-02"][..], "at 2, which is the date of the row above it"),
        (&["2024-01-02", "2024-01-01"], "at 1, which comes before the row above it"),
        (
            &["2024-01-01", "2024-01-02", "2024-01-04"],
            "at 2, which comes 2 d after the row above it, where those before have 1 d",
        ),
        (
            &["2024-01-31", "2024-02-29", "2024-03-31", "2024-05-31"],
            "at 3, which comes 61 d after the row above it, where those before have 1 month",
        ),
        (&["2024-01-01", "01.02.2024"], "`01.02.2024` at 1, which is no date"),
        (&["2024-02-30"], "is no date"),
        (&["2024-02-03 24:00"], "is no date"),
        (&["2024-02-03 12:00:00Z"], "is no date"),
        (&["20240203"], "is no date"),
        (&[""], "is no date"),
        (&["2024-02-03 "], ""),
    ] {
        match words {
            "" => assert!(table(dates, Clock::Even).is_ok()),
            words => {
                assert!(message(table(dates, Clock::Even)).contains(words), "{}", message(table(dates, Clock::Even)))
            }
        }
    }
    let backwards = &["2024-01-02", "2024-01-01"];
    assert!(message(table(backwards, Clock::Uneven)).contains("sort the rows by date"));
}

/// Planted: the first columns selected, whatever their names.
#[test]
fn tables_refuse_ragged_and_empty_input() {
    let dates = ["2024-01-01", "2024-01-02"];
    let two = array![[1.0, 2.0], [3.0, 4.0]];
    let new = |dates: &[&str], columns: &[&str], values| Table::new("t", dates, columns, values, Clock::Even);
    assert!(message(new(&dates, &["a"], two.clone())).contains("a name per column"));
    assert!(message(new(&dates[..1], &["a", "b"], two.clone())).contains("a date per row"));
    assert!(message(new(&dates, &["a", "a"], two.clone())).contains("there once only"));
    assert!(message(new(&dates, &["a", " "], two.clone())).contains("give every column one"));
    assert!(message(new(&[], &["a"], Array2::zeros((0, 1)))).contains("empty"));
    assert!(message(new(&dates, &[], Array2::zeros((2, 0)))).contains("empty"));
    assert!(message(new(&dates, &["a"], array![[1.0], [f64::NAN]])).contains("[1, 0]"));
    let table = new(&dates, &["a", "b"], two).unwrap();
    assert!(message(table.select(&["c"])).contains("one of a, b"));
    assert!(message(table.select::<&str>(&[])).contains("at least one column"));
    assert!(message(table.select(&["a", "a"])).contains("there once only"));
    let turned = table.select(&["b", "a"]).unwrap();
    assert_eq!((turned.values(), turned.columns()[0].as_str()), (&array![[2.0, 1.0], [4.0, 3.0]], "b"));
    assert_eq!((turned.dates(), turned.step(), turned.name()), (table.dates(), table.step(), "t"));
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Planted: the published programs' folder looked into first.
#[test]
fn files_are_found_in_order_or_said_to_be_missing() {
    let (first, second) = (folder(), folder());
    let folders = [first.path().to_owned(), second.path().to_owned()];
    let missing = message(Located::among("etth1", &folders));
    for words in ["ETTh1.csv: ", "nor is it in", "`cargo forecast fetch ETTh1`", "set MLNOTES_DATA"] {
        assert!(missing.contains(words), "{missing}");
    }
    let place = |folder: &tempfile::TempDir, name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "date,a\n2024-01-01,1\n").unwrap();
        path
    };
    for name in ["ETT-small/ETTh1.csv", "ETTh1.csv"] {
        let path = place(&second, name);
        let found = Located::among("ETTh1", &folders).unwrap();
        assert_eq!((&found.path, found.set.unwrap().name), (&path, "ETTh1"));
        assert_eq!((found.rule(), found.clock()), (Rule::Months { per_hour: 1 }, Clock::Even));
    }
    let path = place(&first, "ETTh1.csv");
    assert_eq!(Located::among("ETTh1", &folders).unwrap().path, path);
    let own = Located::among(path.to_str().unwrap(), &[]).unwrap();
    assert_eq!((own.set, own.rule(), own.clock()), (None, Rule::PUBLISHED, Clock::Even));
    for (data, words) in [
        ("no/such.csv", "no such file"),
        ("such.csv", "no such file"),
        (first.path().to_str().unwrap(), "no such file"),
        ("ETTh3", "one of ETTh1, ETTh2, ETTm1, ETTm2, weather, electricity, traffic, exchange_rate, or the path"),
        ("", "one of ETTh1"),
    ] {
        assert!(message(Located::among(data, &folders)).contains(words), "{data}");
    }
    assert!(message(Located::among("ETTh1", &[])).contains("MLNOTES_DATA"));
}

/// Through the environment, in a process of its own. Planted: an empty variable taken for a folder.
#[test]
fn the_environment_names_the_folder() {
    if std::env::var_os("MLNOTES_TEST_FOLDERS").is_some() {
        for folder in mlnotes::forecast::data::folders().unwrap() {
            println!("at: {}", folder.display());
        }
        return;
    }
    let told = |data: Option<&str>| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "forecast_data::the_environment_names_the_folder", "--nocapture"]);
        command.env("MLNOTES_TEST_FOLDERS", "1").env("XDG_DATA_HOME", "/xdg").env_remove("MLNOTES_DATA");
        data.map(|data| command.env("MLNOTES_DATA", data));
        let output = command.output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter_map(|line| line.split_once("at: ")).map(|(_, path)| PathBuf::from(path)).collect::<Vec<_>>()
    };
    let (named, own) = (told(Some("/named")), told(None));
    assert_eq!((named[0].as_path(), &named[1..]), (std::path::Path::new("/named"), &own[..]));
    assert_eq!(told(Some("")), own);
    if cfg!(target_os = "linux") {
        assert_eq!(own, [PathBuf::from("/xdg/mlnotes")]);
    }
}
