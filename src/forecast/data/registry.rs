//! The sets by which papers on forecasting measure themselves.

use super::{Clock, Rule};
use crate::{Error, Result};

/// A published data set: what its file is called and holds, how it is cut, where it is offered.
///
/// ```
/// use mlnotes::forecast::data::DataSet;
///
/// let set = DataSet::named("etth1")?;
/// assert_eq!((set.name, set.rows, set.channels), ("ETTh1", 17_420, 7));
/// assert!(DataSet::named("ETTh3").unwrap_err().to_string().contains("ETTh1, ETTh2, ETTm1"));
/// # Ok::<(), mlnotes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// The name that papers give it.
    pub name: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// The folder in which the published programs keep the file.
    pub folder: &'static str,
    /// The rows of the file, without its header.
    pub rows: usize,
    /// V: the columns beside `date`.
    pub channels: usize,
    /// Whether its dates are even.
    pub clock: Clock,
    /// How papers cut it.
    pub rule: Rule,
    /// Where its folder is offered.
    site: &'static str,
    /// The SHA-256 of the file's bytes in hexadecimal digits.
    pub sha256: &'static str,
}

/// The repository of Informer's authors.
const INFORMER: &str = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main";
/// Where Autoformer's group keeps its files.
const AUTOFORMER: &str = "https://huggingface.co/datasets/thuml/Time-Series-Library/resolve/main";

const fn ett(name: &'static str, file: &'static str, per_hour: usize, sha256: &'static str) -> DataSet {
    let (rows, clock, rule) = (17_420 * per_hour, Clock::Even, Rule::Months { per_hour });
    DataSet { name, file, folder: "ETT-small", rows, channels: 7, clock, rule, site: INFORMER, sha256 }
}

const fn other(
    name: &'static str,
    file: &'static str,
    [rows, channels]: [usize; 2],
    clock: Clock,
    sha256: &'static str,
) -> DataSet {
    let rule = Rule::PUBLISHED;
    DataSet { name, file, folder: name, rows, channels, clock, rule, site: AUTOFORMER, sha256 }
}

impl DataSet {
    /// Those that are known by name.
    ///
    /// | name | every | rows | V | MB | cut |
    /// | --- | --- | --- | --- | --- | --- |
    /// | ETTh1, ETTh2 | hour | 17 420 | 7 | 3 | 12, 4 and 4 months |
    /// | ETTm1, ETTm2 | 15 min | 69 680 | 7 | 10 | 12, 4 and 4 months |
    /// | weather | 10 min, with gaps and a date twice | 52 696 | 21 | 7 | 70, 10 and 20 % |
    /// | electricity (ECL) | hour | 26 304 | 321 | 96 | 70, 10 and 20 % |
    /// | traffic | hour | 17 544 | 862 | 136 | 70, 10 and 20 % |
    /// | exchange_rate | day | 7 588 | 8 | 1 | 70, 10 and 20 % |
    ///
    /// # Source
    /// Zhou and others, *Informer* (2021) for the ETT sets; the others in the form that Wu and others, *Autoformer* (2021),
    /// gave them, at the address where that paper's group keeps them. Issue 173 of Autoformer's repository reports the date
    /// that weather has twice.
    pub const ALL: [Self; 8] = [
        ett("ETTh1", "ETTh1.csv", 1, "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
        ett("ETTh2", "ETTh2.csv", 1, "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
        ett("ETTm1", "ETTm1.csv", 4, "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
        ett("ETTm2", "ETTm2.csv", 4, "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd"),
        other(
            "weather",
            "weather.csv",
            [52_696, 21],
            Clock::Uneven,
            "34ee981d07313e51da2a50bb600072c8ae4a69cb4b0651f4cb93a069d7a2ba63",
        ),
        other(
            "electricity",
            "electricity.csv",
            [26_304, 321],
            Clock::Even,
            "7e45845d54c5219bad0ae6bc1b5316cf8ff9cead5d33fa998a5a51c2e4a497ad",
        ),
        other(
            "traffic",
            "traffic.csv",
            [17_544, 862],
            Clock::Even,
            "cb06463d56fa17d87f47027cd9389ceae82a69eddee51cdb61480e120dab0b16",
        ),
        other(
            "exchange_rate",
            "exchange_rate.csv",
            [7_588, 8],
            Clock::Even,
            "48b4d9d3d508f5104162e85b9a6042e3557fde11aa9f2944eba8c0d0efc89842",
        ),
    ];

    /// Where its file is offered.
    ///
    /// ```
    /// use mlnotes::forecast::data::DataSet;
    ///
    /// let address = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTm1.csv";
    /// assert_eq!(DataSet::named("ETTm1")?.address(), address);
    /// let address = "https://huggingface.co/datasets/thuml/Time-Series-Library/resolve/main/weather/weather.csv";
    /// assert_eq!(DataSet::named("weather")?.address(), address);
    /// # Ok::<(), mlnotes::Error>(())
    /// ```
    pub fn address(&self) -> String {
        let Self { site, folder, file, .. } = self;
        format!("{site}/{folder}/{file}")
    }

    /// The set of this name, in capitals or not.
    ///
    /// # Errors
    /// Another name; the message lists those that there are.
    pub fn named(name: &str) -> Result<&'static Self> {
        const ALL: &[DataSet] = &DataSet::ALL;
        let name = name.trim();
        let wanted = if name.eq_ignore_ascii_case("ECL") { "electricity" } else { name };
        ALL.iter().find(|set| set.name.eq_ignore_ascii_case(wanted)).ok_or_else(|| {
            let names = ALL.iter().map(|set| set.name).collect::<Vec<_>>().join(", ");
            Error::domain("data", format!("`{name}`"), format!("one of {names}, or the path of a CSV file"))
        })
    }
}
