//! CSV files, good and bad, and downloads from a server that this file runs.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;

use mlnotes::data::{Reference, Standardizer};
use mlnotes::forecast::data::{Clock, Located, Splits, Step, Table, download, read_csv};
use ndarray::{Array2, array, s};
use sha2::{Digest, Sha256};

use crate::{assert_close, message};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(bytes: impl AsRef<[u8]>, clock: Clock) -> mlnotes::Result<Table> {
    let folder = folder();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, bytes).unwrap();
    read_csv(&path, clock)
}

#[test]
fn a_file_is_what_pandas_reads() {
    let pandas = Reference::load("forecast", "splits").unwrap();
    let table = read_csv(&Reference::folder().join("forecast/synthetic.csv"), Clock::Even).unwrap();
    assert_eq!(table.values(), &pandas.array::<ndarray::Ix2>("values").unwrap());
    let seconds: Vec<i64> = table.dates().iter().map(|date| date.and_utc().timestamp()).collect();
    assert_eq!(seconds, pandas.integers::<ndarray::Ix1>("seconds").unwrap().to_vec());
    assert_eq!((table.name(), table.columns().join(" ")), ("synthetic", "load level valve".to_owned()));
    assert_eq!(table.step(), Some(Step::Seconds(3600)));
}

#[test]
fn other_ways_to_write_the_same_are_read() {
    let want = array![[1.0, -2.5], [3.0, 4e5]];
    for text in [
        "date,a,b\n2024-01-01,1,-2.5\n2024-01-02,3,4e5\n",
        "date,a,b\n2024-01-01 00:00:00,1,-2.5\n2024-01-02 00:00:00,3,4e5",
        "date,a,b\r\n2024/1/1 0:00,1,-2.5\r\n2024/1/2 0:00,3,4E5\r\n",
        "\u{feff}date,a,b\n2024-01-01T00:00,+1,-2.5\n2024-01-02T00:00,3.,400000\n",
        "\"date\",\"a\",b\n\"2024-01-01\",\"1\",-2.50\n\"2024-01-02\",3,\"4e5\"\n",
        "a,date,b\n1,2024-01-01,-2.5\n3,2024-01-02,4e5\n",
        " date , a,b \n2024-01-01,1,-2.5\n2024-01-02,3,4e5\n",
    ] {
        let table = read(text, Clock::Even).unwrap();
        assert_eq!((table.values(), table.columns().join("")), (&want, "ab".to_owned()), "{text}");
        assert_eq!(table.step(), Some(Step::Seconds(86_400)));
    }
    // The last bit is that of the nearest f64.
    let table =
        read("date,a\n2024-01-01,5.827000141143799\n2024-01-02,0.1\n2024-01-03,9007199254740993\n", Clock::Even);
    assert_eq!(table.unwrap().values().column(0).to_vec(), [5.827000141143799, 0.1, 9007199254740992.0]);
}

/// Planted: lines counted without the header; NaN let through to the table; cells that are missing read as 0.
#[test]
fn a_bad_file_is_refused_with_its_line_and_column() {
    for (text, words) in [
        ("", "is empty: a header"),
        ("\n", "has no column `date`"),
        ("date,a", "no row below it"),
        ("date,a\n", "no row below it"),
        ("date\n2024-01-01\n", "no column but `date`"),
        ("time,load,OT\n1,2,3\n", "has no column `date` but these: time, load, OT; call"),
        ("Date,a\n2024-01-01,1\n", "but these: Date, a"),
        ("date;a\n2024-01-01;1\n", "but these: date;a"),
        ("date,a,a\n2024-01-01,1,2\n", "the column `a` must be there once only"),
        ("date,a,date\n2024-01-01,1,2\n", "the column `date` must be there once only"),
        ("date,,a\n2024-01-01,1,2\n", "the column `` must be a name"),
        ("date,a,b\n2024-01-01,1,2\n2024-01-02,1\n", "line 3 has 2 cells, but the header has 3"),
        ("date,a\n2024-01-01,1\n2024-01-02,1,2\n", "line 3 has 3 cells, but the header has 2"),
        ("date,a\n2024-01-01,1\n\n2024-01-02,1\n", "line 3 is blank"),
        ("date,a\n2024-01-01,1\n\n", "line 3 is blank"),
        ("date,a,b\n2024-01-01,1,2\n2024-01-02,1,\n", "line 3, column `b`: is empty"),
        ("date,a,b\n2024-01-01,1,2\n2024-01-02,NaN,1\n", "line 3, column `a`: `NaN` is no finite number"),
        ("date,a\n2024-01-01,1\n2024-01-02,-inf\n", "line 3, column `a`: `-inf` is no finite number"),
        ("date,a\n2024-01-01,1e999\n", "line 2, column `a`: `1e999` is no finite number"),
        ("date,a\n2024-01-01,warm\n", "line 2, column `a`: `warm` is no finite number"),
        ("date,a\n2024-01-01,\"1,5\"\n", "line 2, column `a`: `1,5` is no finite number"),
        ("date,a\n2024-01-01,1 m\n", "line 2, column `a`: `1 m` is no finite number"),
        ("date,a\n2024-01-01, 1 \n", "line 2, column `a`: ` 1 ` is no finite number"),
        ("date,a\n2024-01-01,\"1\n2024-01-02,2\n", "line 2 has a quotation mark"),
        ("date,a\n2024-01-01,1\n,1\n", "line 3, column `date`: `` is no date, but it must be written as 2016-07-01"),
        ("date,a\n2024-01-01,1\n02.01.2024,1\n", "line 3, column `date`: `02.01.2024` is no date"),
        ("date,a\n2024-01-01,1\n2024-01-01,2\n", "line 3, column `date`: `2024-01-01` is the date of the row above it"),
        ("date,a\n2024-01-02,1\n2024-01-01,2\n", "line 3, column `date`: `2024-01-01` comes before the row above it"),
        ("date,a\n2024-01-01,1\n2024-01-02,2\n2024-01-04,2\n", "line 4, column `date`: `2024-01-04` comes 2 d after"),
        ("\0\0\0\n", "has no column `date`"),
    ] {
        let message = message(read(text, Clock::Even));
        assert!(message.contains("table.csv: ") && message.contains(words), "{text:?}: {message}");
    }
    for (bytes, line) in
        [(&b"date,\xb0C\n2024-01-01,1\n"[..], 1), (b"date,a\n2024-01-01,\xff\n", 2), (b"date,a\n\xff,1\n", 2)]
    {
        assert!(message(read(bytes, Clock::Even)).contains(&format!("line {line} is not text in UTF-8")));
    }
    assert_eq!(read("date,a\n2024-01-01,1\n2024-01-01,2\n2024-01-09,3\n", Clock::Uneven).unwrap().values().nrows(), 3);
    assert!(message(read_csv(Path::new("no/such.csv"), Clock::Even)).contains("cannot be read"));
    assert!(message(read_csv(folder().path(), Clock::Even)).contains("cannot be read"));
}

/// Planted: any size let through.
#[test]
fn a_published_set_must_have_its_size() {
    let folder = folder();
    std::fs::write(folder.path().join("ETTh1.csv"), "date,OT\n2024-01-01,1\n").unwrap();
    let located = Located::among("ETTh1", &[folder.path().to_owned()]).unwrap();
    assert!(message(located.read()).contains("has 1 rows and 1 series, but ETTh1 as published has 17420 and 7"));
    let own = Located::among(folder.path().join("ETTh1.csv").to_str().unwrap(), &[]).unwrap();
    assert_eq!(own.read().unwrap().values(), array![[1.0]]);
    // What exchange_rate.csv would be: days with slashes, its own size.
    let mut text = "date,0,1,2,3,4,5,6,OT\n".to_owned();
    for day in 0..7588 {
        text += &format!("{}/{}/{} 0:00,1,2,3,4,5,6,7,{day}\n", 1990 + day / 336, 1 + day / 28 % 12, 1 + day % 28);
    }
    std::fs::write(folder.path().join("exchange_rate.csv"), text).unwrap();
    let located = Located::among("exchange_rate", &[folder.path().to_owned()]).unwrap();
    assert!(message(located.read()).contains("line 30, column `date`: `1990/2/1 0:00` comes 4 d after"));
}

/// Means and deviations as `data/reference/forecast/make.py` prints them.
#[test]
fn etth1_is_the_published_one() {
    let Ok(folder) = std::env::var("MLNOTES_DATA").map(PathBuf::from) else {
        println!("skipped: ETTh1.csv is looked for only where MLNOTES_DATA says");
        return;
    };
    let Ok(located) = Located::among("ETTh1", &[folder]) else {
        println!("skipped: no ETTh1.csv in MLNOTES_DATA");
        return;
    };
    let table = located.read().unwrap();
    assert_eq!(table.columns().join(" "), "HUFL HULL MUFL MULL LUFL LULL OT");
    assert_eq!(
        (table.step(), table.dates()[17_419].to_string().as_str()),
        (Some(Step::Seconds(3600)), "2018-06-26 19:00:00")
    );
    let borders = located.rule().borders(table.values().nrows()).unwrap();
    for (pred_len, counts) in [(96, [8449, 2785, 2785]), (720, [7825, 2161, 2161])] {
        let splits = Splits::new(&table, &borders, 96, pred_len).unwrap();
        assert_eq!([splits.train.len(), splits.validation.len(), splits.test.len()], counts);
        let Standardizer { mean, scale } = splits.scaler;
        let want = array![
            7.937742245659508,
            2.0210386567335163,
            5.079770601157927,
            0.7461858799957015,
            2.781762386375555,
            0.7884531235540096,
            17.1282616982271
        ];
        assert_close(&mean, &want, 1e-11);
        let want = array![
            5.812749409143771,
            2.0901046504076,
            5.518793579036245,
            1.926379274132982,
            1.0235226594952191,
            0.6302366362251923,
            9.176491024944333
        ];
        assert_close(&scale, &want, 1e-11);
    }
    let bytes = std::fs::read(&located.path).unwrap();
    let fetched = download(&serve("200 OK", None, bytes.clone()), &located.path, Some(&sum(&bytes)), &mut |_, _| {});
    assert!(!fetched.unwrap().downloaded);
}

/// The address of a server that answers one request and is gone.
fn serve(status: &str, announced: Option<usize>, body: Vec<u8>) -> String {
    let status = status.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/ETT-small/ETTh1.csv", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let asked = BufReader::new(stream.try_clone().unwrap()).lines();
        let asked = asked.map_while(Result::ok).take_while(|line| !line.is_empty()).next().unwrap_or_default();
        assert!(asked.starts_with("GET /ETT-small/ETTh1.csv "), "{asked}");
        let length = announced.unwrap_or(body.len());
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    });
    address
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Planted: the file never given its name; another file with that name taken for the published one.
#[test]
fn a_download_arrives_whole_and_once() {
    let folder = folder();
    let path = folder.path().join("new/ETTh1.csv");
    let body: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let (whole, mut heard) = (sum(&body), Vec::new());
    let address = serve("200 OK", None, body.clone());
    let fetched = download(&address, &path, Some(&whole), &mut |bytes, total| heard.push((bytes, total))).unwrap();
    assert!(fetched.downloaded && fetched.checked && fetched.sha256 == whole && fetched.path == path);
    assert!(fetched.to_string().ends_with("ETTh1.csv: downloaded, and its sha256 is the published one"), "{fetched}");
    assert_eq!(std::fs::read(&path).unwrap(), body);
    assert_eq!(names(path.parent().unwrap()), ["ETTh1.csv"]);
    assert!(heard.len() > 1 && heard.is_sorted() && heard.last() == Some(&(1_200_000, Some(1_200_000))), "{heard:?}");
    // The server is gone: what is there is not asked for again.
    let again = download(&address, &path, Some(&whole), &mut |_, _| panic!("nothing comes")).unwrap();
    assert!(!again.downloaded && again.checked, "{again}");
    let unknown = download(&address, &path, None, &mut |_, _| {}).unwrap();
    assert!(
        unknown.to_string().contains(&format!("there already, with the sha256 {whole}, which nothing")),
        "{unknown}"
    );
    std::fs::write(&path, "mine").unwrap();
    let error = message(download(&address, &path, Some(&whole), &mut |_, _| {}));
    assert!(error.contains("move it away") && error.contains(&whole) && error.contains(&sum(b"mine")), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    // One address may lead to another.
    let moved = format!("302 Found\r\nLocation: {}", serve("200 OK", None, vec![1]));
    let other = folder.path().join("other.csv");
    download(&serve(&moved, None, Vec::new()), &other, None, &mut |_, _| {}).unwrap();
    assert_eq!(std::fs::read(&other).unwrap(), [1]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&other), mode(&plain));
    }
}

/// Planted: sums not compared.
#[test]
fn a_download_that_fails_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("ETTh1.csv");
    let body = b"date,OT\n2024-01-01,1\n".to_vec();
    let mut broken = body.clone();
    broken[20] ^= 1;
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wanted = sum(&body);
    for (address, words) in [
        (serve("200 OK", None, broken.clone()), format!("what came has the sha256 {}, not {wanted}", sum(&broken))),
        (serve("200 OK", Some(body.len() + 9), body.clone()), "cannot be downloaded from http://127".to_owned()),
        (serve("404 Not Found", None, b"no".to_vec()), "404".to_owned()),
        (serve("500 Internal Server Error", None, Vec::new()), "500".to_owned()),
        (format!("http://{refused}/ETT-small/ETTh1.csv"), "check the connection".to_owned()),
        ("ETT-small/ETTh1.csv".to_owned(), "cannot be downloaded from ETT-small".to_owned()),
        (String::new(), "cannot be downloaded from ".to_owned()),
    ] {
        let error = message(download(&address, &path, Some(&wanted), &mut |_, _| {}));
        assert!(error.contains(&words) && error.contains("put the file there yourself"), "{error}");
        assert_eq!(names(folder.path()), Vec::<String>::new(), "{address}");
    }
    // Where no sum is known, the announced length still counts.
    let short = serve("200 OK", Some(body.len() + 9), body.clone());
    assert!(download(&short, &path, None, &mut |_, _| {}).is_err() && names(folder.path()).is_empty());
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = message(download("http://127.0.0.1:9/", &folder.path().join("file/ETTh1.csv"), None, &mut |_, _| {}));
    assert!(error.contains("cannot be written"), "{error}");
    let error = message(download("http://127.0.0.1:9/", folder.path(), None, &mut |_, _| {}));
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn a_wide_file_keeps_its_columns_apart() {
    let want = Array2::from_shape_fn((50, 300), |(row, column)| (row * 1000 + column) as f64);
    let mut text = "date".to_owned();
    (0..300).for_each(|column| text += &format!(",c{column}"));
    for (row, values) in want.rows().into_iter().enumerate() {
        text += &format!("\n2024-01-{:02} {:02}:00", 1 + row / 24, row % 24);
        values.iter().for_each(|value| text += &format!(",{value}"));
    }
    let table = read(text, Clock::Even).unwrap();
    assert_eq!(table.values(), &want);
    assert_eq!(table.select(&["c299", "c7"]).unwrap().values().slice(s![3, ..]).to_vec(), [3299.0, 3007.0]);
}
