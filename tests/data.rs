//! Iris, splits, scaling, and the reference files themselves.

use std::path::Path;

use mlnotes::data::{nile, split_rows};
use mlnotes::prelude::*;
use sha2::{Digest, Sha256};

use crate::{assert_close, message};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Planted: one digit of row 35 changed to that of the archive's faulty copy (4.9,3.1,1.5,0.1).
#[test]
fn iris_is_scikit_learns_copy() {
    let iris = iris();
    let sklearn = Reference::load("data", "iris").unwrap();
    assert_eq!(iris.features, sklearn.array("features").unwrap());
    assert_eq!(iris.targets, sklearn.labels("targets").unwrap());
    assert_eq!(iris.feature_names.join(", "), sklearn.metadata("feature_names").unwrap());
    assert_eq!(iris.target_names.join(", "), sklearn.metadata("target_names").unwrap());
    assert_close(&iris.features.mean_axis(Axis(0)).unwrap(), &sklearn.array("mean").unwrap(), 1e-14);
    assert_close(&iris.features.std_axis(Axis(0), 0.0), &sklearn.array("std").unwrap(), 1e-14);

    let mut bytes: Vec<u8> = iris.features.iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes.extend(iris.targets.iter().flat_map(|&class| (class as i64).to_le_bytes()));
    assert_eq!(hex(bytes), sklearn.metadata("sha256").unwrap());
}

/// R documents the means 3.488 and 70.9 of `faithful`.
#[test]
fn classic_data_are_what_they_were() {
    let x = mlnotes::data::faithful();
    assert_eq!(x.dim(), (272, 2));
    assert!((x.column(0).sum() - 948.677).abs() < 1e-9 && x.column(1).sum() == 19284.0);
    let text = mlnotes::data::coriolanus();
    assert_eq!(text.len(), 20_024);
    assert_eq!(hex(text), "a2fbd667c288b4bdc42e828ee6c05372ac66054667bb27b411e82bcaf24fe7af");
}

/// Mosteller and Wallace count 51, 14, 5, 3 and 12 papers. Planted: No. 64 given to Hamilton; a count of 2 read as 1.
#[test]
fn the_federalist_is_what_was_counted() {
    let papers = mlnotes::data::federalist();
    let text = std::fs::read(Path::new(env!("MLNOTES_CHECKOUT")).join("data/federalist.txt")).unwrap();
    assert_eq!(hex(text), "94f02c1cf6408d495288e7e0c68b95446eb76f1685e5721311a278e45f515ce7");
    assert_eq!(papers.features.dim(), (85, 378));
    assert_eq!((papers.features.sum(), papers.features.iter().filter(|n| **n > 0.0).count()), (19_294.0, 10_669));
    assert!(papers.feature_names.is_sorted() && papers.feature_names.len() == 378);
    let spread = papers.features.mapv(|n| f64::from(u8::from(n > 0.0))).sum_axis(Axis(0));
    assert!(spread.iter().all(|n| (5.0..=42.0).contains(n)));
    assert!(papers.features.sum_axis(Axis(0)).iter().all(|n| *n >= 30.0));
    // By hand in the text: No. 81 has "court" 25 times, No. 6 "war" 10 times.
    let count = |paper: usize, word: &str| {
        papers.features[[paper - 1, papers.feature_names.iter().position(|name| name == word).unwrap()]]
    };
    assert_eq!((count(81, "court"), count(6, "war"), count(1, "president")), (25.0, 10.0, 0.0));
    let mut written = [0; 5];
    papers.targets.iter().for_each(|&author| written[author] += 1);
    assert_eq!(written, [51, 14, 5, 3, 12]);
    assert!(format!("{papers:?}").contains("(able, absolute, according, "));
}

/// Fisher's Table I in two numbers: the sums of setosa's and virginica's sepal lengths are 250.3 and 329.4 cm.
#[test]
fn iris_has_fishers_means() {
    let iris = iris();
    let sum = |class: usize| iris.features.slice(s![class * 50..(class + 1) * 50, 0]).sum();
    assert!((sum(0) - 250.3).abs() < 1e-9 && (sum(2) - 329.4).abs() < 1e-9);
    for class in 0..3 {
        assert_eq!(iris.targets.iter().filter(|&&target| target == class).count(), 50);
    }
    assert!(format!("{iris:?}").starts_with("Dataset: 150 samples, 4 features"));
}

/// Planted: 1120 in the first year made 1210.
#[test]
fn the_nile_is_statsmodels_copy() {
    let nile = nile();
    let statsmodels = Reference::load("kalman", "nile").unwrap();
    assert_eq!(nile.times, statsmodels.array("years").unwrap());
    assert_eq!(nile.values, statsmodels.array("flow").unwrap());
    // Mean and deviation as Durbin and Koopman's data have them.
    assert_eq!(nile.values.sum(), 91_935.0);
    assert!((nile.values.std(1.0) - 169.2275).abs() < 1e-4);
    assert_eq!(format!("{nile:?}"), "Series: Nile, volume (10^8 m^3), 100 values, 1871 to 1970");
}

/// Planted: `floor` for `ceil`; the test rows taken from the end.
#[test]
fn splits_are_scikit_learns() {
    let sklearn = Reference::load("data", "split").unwrap();
    let cases: Array2<f64> = sklearn.array("cases").unwrap();
    for (index, case) in cases.rows().into_iter().enumerate() {
        let (train, test) = split_rows(case[0] as usize, case[1], case[2] as u32).unwrap();
        let want = |name: &str| sklearn.labels::<ndarray::Ix1>(&format!("{name}_{index}")).unwrap().to_vec();
        assert_eq!((train, test), (want("train"), want("test")), "case {index}");
    }
}

/// The other oracle: whatever the order, a split is a partition, and rows keep their targets.
#[test]
fn a_split_is_a_partition() {
    for (samples, test_size, seed) in [(2, 0.5, 0), (3, 0.01, 1), (97, 0.42, 2), (1000, 0.999, 3)] {
        let x = Array2::from_shape_fn((samples, 2), |(row, column)| (2 * row + column) as f64);
        let y = Array1::from_iter(0..samples);
        let split = train_test_split(&x, &y, test_size, seed).unwrap();
        let mut all = [split.train_rows.clone(), split.test_rows.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..samples).collect::<Vec<_>>());
        assert_eq!(split.y_train.to_vec(), split.train_rows);
        assert_eq!(split.x_test.column(1), split.y_test.mapv(|row| (2 * row + 1) as f64));
    }
}

#[test]
fn impossible_splits_are_refused() {
    for test_size in [0.0, 1.0, -0.2, 1.5, f64::NAN, f64::INFINITY] {
        assert!(message(split_rows(10, test_size, 0)).contains("for instance 0.2"));
    }
    assert!(message(split_rows(0, 0.2, 0)).contains("at least two rows"));
    assert!(message(split_rows(1, 0.2, 0)).contains("none to train on"));
    assert!(message(split_rows(10, 0.95, 0)).contains("none to train on"));
    let iris = iris();
    assert!(message(train_test_split(&iris.features, &array![1, 2], 0.2, 0)).contains("150 along the first axis"));
}

/// Planted: division by n − 1; no allowance for rounding in a constant column.
#[test]
fn scaling_is_scikit_learns() {
    let sklearn = Reference::load("data", "scale").unwrap();
    for name in ["iris", "odd"] {
        let array = |part: &str| sklearn.array::<ndarray::Ix2>(&format!("{name}_{part}")).unwrap();
        let vector = |part: &str| sklearn.array::<ndarray::Ix1>(&format!("{name}_{part}")).unwrap();
        let scaler = Standardizer::fit(&array("train")).unwrap();
        let relative =
            |got: &Array1<f64>, want: Array1<f64>| assert_close(&(got / &want), &Array1::ones(want.len()), 1e-10);
        relative(&scaler.scale, vector("scale"));
        relative(&scaler.mean, vector("mean"));
        let (got, want) = (scaler.transform(&array("unseen")).unwrap(), array("z"));
        // Column 3 of `odd` sits at 1e15, where the mean itself is only known to 0.1.
        assert_close(&got, &want, if name == "iris" { 1e-13 } else { 1.0 });
    }
}

/// The other oracle: what standardising means.
#[test]
fn scaled_training_rows_have_mean_0_and_deviation_1() {
    let x = iris().features;
    let scaler = Standardizer::fit(&x).unwrap();
    let z = scaler.transform(&x).unwrap();
    assert_close(&z.mean_axis(Axis(0)).unwrap(), &Array1::zeros(4), 1e-13);
    assert_close(&z.std_axis(Axis(0), 0.0), &Array1::ones(4), 1e-13);
    assert_close(&scaler.inverse(&z).unwrap(), &x, 1e-14);
    assert_eq!(Standardizer::fit(&array![[3.0, 4.0]]).unwrap().scale, array![1.0, 1.0]);
}

#[test]
fn impossible_scalings_are_refused() {
    assert!(message(Standardizer::fit(&Array2::zeros((0, 3)))).contains("at least one row"));
    assert!(message(Standardizer::fit(&Array2::zeros((3, 0)))).contains("at least one column"));
    assert!(message(Standardizer::fit(&array![[1.0], [f64::NAN]])).contains("[1, 0]"));
    assert!(message(Standardizer::fit(&array![[1e300], [-1e300]])).contains("variance of x"));
    let scaler = Standardizer::fit(&array![[1.0], [2.0]]).unwrap();
    assert!(message(scaler.transform(&array![[1.0, 2.0]])).contains("(samples, 1)"));
    assert!(message(scaler.inverse(&array![[f64::INFINITY]])).contains("inf"));
}

/// Planted: one byte of a case changed.
#[test]
fn the_reference_files_are_those_that_were_made() {
    let folder = Path::new(env!("MLNOTES_CHECKOUT")).join("data/reference");
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let mut listed = Vec::new();
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        assert_eq!(hex(std::fs::read(folder.join(name)).unwrap()), digest, "{name}");
        listed.push(folder.join(name));
    }
    let is_case = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "safetensors");
    let topics = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let cases = topics.flat_map(|topic| std::fs::read_dir(topic).unwrap().flatten().map(|entry| entry.path()));
    for case in cases.filter(is_case) {
        assert!(listed.contains(&case), "{} is not in SHA256SUMS", case.display());
    }
}

#[test]
fn a_missing_or_wrong_reference_says_what_to_do() {
    let missing = message(Reference::load("perceptron", "nothing"));
    assert!(missing.contains("nothing.safetensors") && missing.contains("make.py"), "{missing}");
    let reference = Reference::load("data", "iris").unwrap();
    assert!(message(reference.array::<ndarray::Ix2>("nothing")).contains("there are: features, mean, std"));
    assert!(message(reference.array::<ndarray::Ix1>("features")).contains("2 axes"));
    assert!(message(reference.integers::<ndarray::Ix1>("mean")).contains("no integer array"));
    assert!(format!("{reference:?}").contains("features"));
}

/// Whole, cut short, empty, not safetensors, and of another type: through a folder named in the environment, in a
/// process of its own.
#[test]
fn a_corrupt_reference_is_refused() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corrupt/data");
    std::fs::create_dir_all(&folder).unwrap();
    let whole = std::fs::read(Reference::folder().join("data/iris.safetensors")).unwrap();
    let floats = String::from_utf8_lossy(&whole).into_owned();
    assert!(floats.contains("F64"));
    let mut single = whole.clone();
    let at = whole.windows(3).position(|window| window == b"F64").unwrap();
    single[at..at + 3].copy_from_slice(b"U64");
    for (case, bytes) in
        [("whole", &whole[..]), ("short", &whole[..999]), ("none", &[]), ("text", b"no"), ("type", &single)]
    {
        std::fs::write(folder.join(format!("{case}.safetensors")), bytes).unwrap();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "data::read_corrupt_references"])
        .env("MLNOTES_REFERENCE", folder.parent().unwrap())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[test]
#[ignore = "run by a_corrupt_reference_is_refused, which sets the folder"]
fn read_corrupt_references() {
    assert!(Reference::load("data", "whole").is_ok());
    for case in ["short", "none", "text"] {
        assert!(message(Reference::load("data", case)).contains("not a whole safetensors file"));
    }
    assert!(message(Reference::load("data", "type")).contains("only F64 and I64"));
}
