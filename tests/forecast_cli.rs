//! `cargo forecast` as a reader uses it, on a small table: exit codes, files, Ctrl-C.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mlnotes::forecast::experiment::{Line, Report};

/// A folder with 25 days of three hourly series; its own, and gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("mlnotes-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut table = "date,a,b,OT\n".to_owned();
        for hour in 0..600 {
            let wave = (f64::from(hour) / 24.0 * std::f64::consts::TAU).sin();
            let rough = f64::from(hour * hour % 17) / 17.0;
            table +=
                &format!("2016-07-{:02} {:02}:00:00,{wave},{rough},{}\n", hour / 24 + 1, hour % 24, 3.0 * wave + rough);
        }
        std::fs::write(folder.join("table.csv"), table).unwrap();
        Self(folder)
    }

    /// The program in this folder, with a small CMamba unless told otherwise.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forecast"));
        command.current_dir(&self.0).env("MLNOTES_DATA", &self.0).args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, line: &str) -> String {
        let output = self.run(line);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{line}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, line: &str, words: &str) {
        let output = self.run(line);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{line}: {error}");
        assert!(error.contains(words) && !error.contains("panicked"), "{line}: {error}");
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const NOTES: &str = "--task_name long_term_forecast --is_training 1 --model_id 001 --model CMamba --data table.csv";
const SMALL: &str =
    "--seq_len 24 --pred_len 4 --d_model 8 --d_ff 8 --e_layers 1 --d_state 4 --reduction 1 --batch_size 16";

/// The scores as they are printed last.
fn scores(output: &str) -> &str {
    output.lines().find(|line| line.starts_with("mse:")).unwrap_or_else(|| panic!("{output}"))
}

#[test]
fn it_trains_tests_and_writes_what_came_out() {
    let folder = Folder::new("trains");
    let line = format!("{NOTES} {SMALL} --train_epochs 2 --label_len 48 --use_gpu True --threads 1");
    let output = folder.run(&line);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("without effect here: --label_len, --use_gpu"));
    assert!(printed.contains("epoch 1: train") && printed.contains("epoch 2: train"), "{printed}");
    let run = "checkpoints/001_CMamba_table_24_4_2021";
    let report = Report::load(&folder.0.join(run).join("report.json")).unwrap();
    assert_eq!((report.channels, report.settings.batch_size, report.epochs.len()), (3, 16, 2));
    // 70, 10 and 20 % of 600 rows, the last two reaching back 24.
    assert_eq!(report.windows, [420 - 27, 60 + 24 - 27, 120 + 24 - 27]);
    assert_eq!(scores(&printed), format!("mse:{}, mae:{}", report.test.mse, report.test.mae));
    for window in [0, 39, 78] {
        assert!(folder.read(&format!("{run}/forecast_{window}.svg")).contains("forecast"));
    }
    // The same from the checkpoint, without training; and again where it had finished.
    assert_eq!(scores(&folder.succeeds(&line.replace("--is_training 1", "--is_training 0"))), scores(&printed));
    assert_eq!(scores(&folder.succeeds(&line)), scores(&printed));
    assert_eq!(scores(&folder.succeeds(&format!("{line} --fresh"))), scores(&printed));
    // Another seed, another result; a naive model beside it.
    let naive = folder.succeeds(&format!("--model lastvalue --data table.csv {SMALL} --itr 2"));
    assert_eq!(naive.matches("mse:").count(), 2);
    let lines = Line::read(&folder.0.join("checkpoints/results.csv")).unwrap();
    assert_eq!(lines.len(), 6);
    assert!(lines[0].command.starts_with("cargo forecast --task_name long_term_forecast"), "{}", lines[0].command);
    assert!(lines[0].settings.contains("gddmlp=true") && lines[0].settings.contains("mixup=1.0"));
    assert_eq!((lines[4].model.as_str(), lines[4].parameters, lines[5].seed), ("LastValue", 0, 2022));
    let table = folder.succeeds("compare");
    assert!(table.contains("table 24 → 4") && table.contains("CMamba") && table.contains("LastValue"), "{table}");
}

/// Stopped in mid-epoch and given again: what comes out is what one in a piece gives.
#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_the_same_command_goes_on() {
    let folder = Folder::new("stopped");
    // Three quarters of the epoch, some two seconds on one thread, are left for the signal to arrive in.
    let slow =
        "--seq_len 24 --pred_len 4 --d_model 128 --d_ff 256 --e_layers 8 --reduction 1 --batch_size 1 --threads 1";
    let line = format!("{NOTES} {slow} --train_epochs 1 --figures 0");
    let mut child = folder.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(printed.any(|line| line.unwrap().starts_with("epoch 1, iteration 100/393")));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    printed.for_each(drop);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("stopped in epoch 1") && error.contains("give the same command again"), "{error}");
    assert!(!folder.0.join("checkpoints/results.csv").exists());
    folder.fails(&format!("{line} --learning_rate 0.5"), "`learning_rate` is 0.0005 there, 0.5 here");
    folder.fails(&line.replace("--is_training 1", "--is_training 0"), "before the end of the first epoch");
    let resumed = folder.succeeds(&line);
    assert!(resumed.contains("going on in epoch 1, after"), "{resumed}");
    let whole = folder.succeeds(&format!("{line} --checkpoints elsewhere"));
    assert_eq!(scores(&resumed), scores(&whole));
}

#[test]
fn what_is_wrong_ends_with_1_and_says_what_to_do() {
    let folder = Folder::new("wrong");
    folder.fails("", "for instance --data ETTh1");
    folder.fails("--data ETTh1", "cargo forecast fetch ETTh1");
    folder.fails("--data ETTh9", "ETTh1, ETTh2, ETTm1");
    folder.fails("--data table.csv --model Prophet", "LastValue, SeasonalNaive, DLinear");
    folder.fails("--data missing.csv", "there is no such file");
    folder.fails("--data table.csv --no_such_flag 3", "--no-such-flag");
    folder.fails("--data table.csv --pred_len 720", "shorter seq_len or pred_len");
    folder.fails(&format!("--data table.csv {SMALL} --enc_in 7"), "`enc_in` is 7, but it must be 3");
    folder.fails(&format!("--data table.csv {SMALL} --batch_size=999"), "at most 393");
    folder.fails(&format!("--data table.csv {SMALL} --learning_rate 1e30 --train_epochs 3"), "lower the learning rate");
    folder.fails(&format!("--data table.csv {SMALL} --features S --target missing"), "missing");
    folder.fails(&format!("--data table.csv {SMALL} --is_training 0"), "train first");
    folder.fails("compare", "train a model first");
    folder.fails("compare --csv table.csv", "is not a table of results");
    folder.fails("fetch ETTh9", "ETTh1, ETTh2, ETTm1");
    std::fs::copy(folder.0.join("table.csv"), folder.0.join("traffic.csv")).unwrap();
    folder.fails("fetch traffic", "is not the published file");
    // One column alone: the preset's gate has nothing to look at, and is left out.
    folder.succeeds(&format!("--data table.csv {} --features S --train_epochs 1", SMALL.replace("--reduction 1", "")));
    assert!(folder.succeeds("--help").contains("Training:"));
    assert!(folder.succeeds("fetch --help").contains("Download published data sets"));
    if Path::new("/dev/full").exists() {
        let line = format!("--model LastValue --data table.csv {SMALL} --results /dev/full");
        folder.fails(&line, "make room");
    }
}
