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
    /// Where it is offered.
    pub offer: Offer,
}

/// Where a file is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// At an address of its own.
    Direct {
        /// The address.
        address: &'static str,
        /// The SHA-256 of its bytes in hexadecimal digits, where it is known.
        sha256: Option<&'static str>,
    },
    /// Behind links on this page, which a person has to follow.
    Page(&'static str),
}

const fn ett(
    name: &'static str,
    file: &'static str,
    rows: usize,
    per_hour: usize,
    address: &'static str,
    sha256: Option<&'static str>,
) -> DataSet {
    let (rule, offer) = (Rule::Months { per_hour }, Offer::Direct { address, sha256 });
    DataSet { name, file, folder: "ETT-small", rows, channels: 7, clock: Clock::Even, rule, offer }
}

const fn other(name: &'static str, file: &'static str, rows: usize, channels: usize, clock: Clock) -> DataSet {
    let offer = Offer::Page("https://github.com/thuml/Autoformer");
    DataSet { name, file, folder: name, rows, channels, clock, rule: Rule::PUBLISHED, offer }
}

impl DataSet {
    /// Those that are known by name.
    ///
    /// | name | every | rows | V | cut |
    /// | --- | --- | --- | --- | --- |
    /// | ETTh1, ETTh2 | hour | 17 420 | 7 | 12, 4 and 4 months |
    /// | ETTm1, ETTm2 | 15 min | 69 680 | 7 | 12, 4 and 4 months |
    /// | weather | 10 min, with gaps and a date twice | 52 696 | 21 | 70, 10 and 20 % |
    /// | electricity (ECL) | hour | 26 304 | 321 | 70, 10 and 20 % |
    /// | traffic | hour | 17 544 | 862 | 70, 10 and 20 % |
    /// | exchange_rate | day | 7 588 | 8 | 70, 10 and 20 % |
    ///
    /// # Source
    /// Zhou and others, *Informer* (2021) for the ETT sets; the others in the form that Wu and others, *Autoformer* (2021),
    /// gave them. Issue 173 of Autoformer's repository reports the date that weather has twice.
    pub const ALL: [Self; 8] = [
        ett(
            "ETTh1",
            "ETTh1.csv",
            17_420,
            1,
            "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv",
            Some("f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
        ),
        ett(
            "ETTh2",
            "ETTh2.csv",
            17_420,
            1,
            "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh2.csv",
            Some("a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
        ),
        ett(
            "ETTm1",
            "ETTm1.csv",
            69_680,
            4,
            "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTm1.csv",
            None,
        ),
        ett(
            "ETTm2",
            "ETTm2.csv",
            69_680,
            4,
            "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTm2.csv",
            None,
        ),
        other("weather", "weather.csv", 52_696, 21, Clock::Uneven),
        other("electricity", "electricity.csv", 26_304, 321, Clock::Even),
        other("traffic", "traffic.csv", 17_544, 862, Clock::Even),
        other("exchange_rate", "exchange_rate.csv", 7_588, 8, Clock::Even),
    ];

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

    /// What there is to do for a person who lacks the file.
    pub(super) fn remedy(&self) -> String {
        match self.offer {
            Offer::Direct { .. } => format!("`cargo forecast fetch {}` downloads it", self.name),
            Offer::Page(page) => {
                format!("it has no address of its own: download it by the links on {page} and put it there")
            }
        }
    }
}
