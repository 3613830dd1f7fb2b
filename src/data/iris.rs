//! Which flower is it, by the size of its leaves? Fisher's 150 irises.

use ndarray::{Array1, Array2};

use super::Dataset;

const CSV: &str = include_str!("../../data/iris.csv");

/// Fisher's irises: 50 flowers each of three species, four lengths in centimetres.
///
/// The rows are those of R and of scikit-learn, in their order; the widespread copy in the UCI archive has two wrong
/// rows, the 35th and the 38th (`data/README.md`).
///
/// # Source
/// Fisher, *The use of multiple measurements in taxonomic problems*, Annals of Eugenics 7 (1936), Table I; measured by
/// Anderson, *The irises of the Gaspé Peninsula* (1935).
///
/// ```
/// let iris = mlnotes::data::iris();
/// assert_eq!(iris.features.dim(), (150, 4));
/// assert_eq!(iris.features.row(34).to_vec(), [4.9, 3.1, 1.5, 0.2]);
/// assert_eq!(iris.target_names[iris.targets[149]], "virginica");
/// ```
pub fn iris() -> Dataset {
    let mut lines = CSV.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default();
    let names = header.split_last().map(|(_, names)| names).unwrap_or_default();
    let mut values = Vec::new();
    let mut targets = Vec::new();
    let mut species: Vec<String> = Vec::new();
    for cells in lines {
        let Some((name, lengths)) = cells.split_last() else { continue };
        values.extend(lengths.iter().filter_map(|cell| cell.parse::<f64>().ok()));
        let class = species.iter().position(|known| known == name).unwrap_or_else(|| {
            species.push(name.to_string());
            species.len() - 1
        });
        targets.push(class);
    }
    Dataset {
        features: Array2::from_shape_vec((targets.len(), names.len()), values)
            .expect("data/iris.csv, embedded when this crate was built, holds four numbers in every row"),
        targets: Array1::from_vec(targets),
        feature_names: names.iter().map(|name| name.to_string()).collect(),
        target_names: species,
    }
}
