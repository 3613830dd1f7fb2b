//! Each point to the nearest of K centres, each centre to the mean of its points.

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2};

use crate::random::RandomState;
use crate::{Error, Result, validate};

/// Lloyd's algorithm from k-means++ starts.
///
/// It takes turns at labels and centres until no label changes; neither step raises the inertia Σ_n ‖x_n − c_{l(n)}‖², whose
/// local minimum is found. A centre that loses all its points moves to the point farthest from its own.
///
/// ```
/// use mlnotes::mixture::KMeans;
/// use ndarray::array;
///
/// let x = array![[0.0], [1.0], [9.0], [11.0]];
/// let clusters = KMeans::new(2).seed(0).fit(&x)?;
/// assert_eq!(clusters.labels[0], clusters.labels[1]);
/// assert_ne!(clusters.labels[1], clusters.labels[2]);
/// assert_eq!(clusters.inertia, 0.5 + 2.0); // centres 0.5 and 10
/// # Ok::<(), mlnotes::Error>(())
/// ```
///
/// Sources: Lloyd, IEEE Transactions on Information Theory 28 (1982); Arthur and Vassilvitskii, *k-means++*, SODA 2007.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KMeans {
    clusters: usize,
    iterations: usize,
    starts: usize,
    seed: u32,
}

/// What k-means found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Clusters {
    /// c, shape (K, D).
    pub centres: Array2<f64>,
    /// The nearest centre of each point, shape (N).
    pub labels: Array1<usize>,
    /// Σ_n ‖x_n − c_{l(n)}‖².
    pub inertia: f64,
    /// The inertia after each assignment of labels: it never rises, but where an empty cluster was moved.
    pub history: Vec<f64>,
    /// Whether the last assignment changed nothing.
    pub converged: bool,
}

impl KMeans {
    /// K clusters; the best of 10 starts, at most 300 iterations each, seed 0.
    pub fn new(clusters: usize) -> Self {
        Self { clusters, iterations: 300, starts: 10, seed: 0 }
    }

    /// At most this many iterations a start.
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// So many starts, of which the end with the least inertia is returned.
    pub fn starts(self, starts: usize) -> Self {
        Self { starts, ..self }
    }

    /// The seed of the starts.
    pub fn seed(self, seed: u32) -> Self {
        Self { seed, ..self }
    }

    /// Finds the clusters of x (N, D).
    ///
    /// # Errors
    /// No start, no cluster, fewer points than clusters, NaN.
    pub fn fit(&self, x: &ArrayRef2<f64>) -> Result<Clusters> {
        validate::at_least_one("starts", self.starts)?;
        self.validate(x)?;
        let mut random = RandomState::new(self.seed);
        let mut best: Option<Clusters> = None;
        for _ in 0..self.starts {
            let found = self.lloyd(spread_out(x, self.clusters, &mut random), x);
            if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                best = Some(found);
            }
        }
        best.ok_or(Error::Empty { arg: "starts", remedy: "give at least one" })
    }

    /// Finds them from given centres (K, D).
    ///
    /// # Errors
    /// As [`fit`](Self::fit); centres of another number or width.
    pub fn fit_from(&self, centres: &ArrayRef2<f64>, x: &ArrayRef2<f64>) -> Result<Clusters> {
        self.validate(x)?;
        validate::finite("centres", centres)?;
        if centres.dim() != (self.clusters, x.ncols()) {
            let expected = format!("({}, {}), one centre per cluster,", self.clusters, x.ncols());
            return Err(Error::shape("centres", expected, centres.shape()));
        }
        Ok(self.lloyd(centres.as_standard_layout().into_owned(), x))
    }

    fn validate(&self, x: &ArrayRef2<f64>) -> Result<()> {
        validate::at_least_one("iterations", self.iterations)?;
        validate::at_least_one("clusters", self.clusters)?;
        validate::samples("x", x)?;
        if x.nrows() < self.clusters {
            let allowed = format!("at most {}, the number of points", x.nrows());
            return Err(Error::domain("clusters", self.clusters, allowed));
        }
        Ok(())
    }

    fn lloyd(&self, mut centres: Array2<f64>, x: &ArrayRef2<f64>) -> Clusters {
        let x = x.as_standard_layout();
        let (mut labels, mut distances) = nearest(&centres, &x);
        let mut history = vec![distances.sum()];
        let mut converged = false;
        for _ in 0..self.iterations {
            let before = labels.clone();
            move_to_means(&mut centres, &x, &mut labels, &mut distances);
            (labels, distances) = nearest(&centres, &x);
            history.push(distances.sum());
            if labels == before {
                converged = true;
                break;
            }
        }
        Clusters { centres, labels, inertia: distances.sum(), history, converged }
    }
}

impl Clusters {
    /// The nearest centre of each row of x.
    ///
    /// # Errors
    /// No row, NaN, another width.
    pub fn predict(&self, x: &ArrayRef2<f64>) -> Result<Array1<usize>> {
        validate::samples("x", x)?;
        validate::columns("x", x, self.centres.ncols())?;
        Ok(nearest(&self.centres, &x.as_standard_layout()).0)
    }
}

/// The nearest centre of each point, the first of equally near ones, and its squared distance.
fn nearest(centres: &Array2<f64>, x: &ArrayRef2<f64>) -> (Array1<usize>, Array1<f64>) {
    let mut labels = Array1::zeros(x.nrows());
    let mut distances = Array1::zeros(x.nrows());
    for ((x, label), distance) in x.rows().into_iter().zip(&mut labels).zip(&mut distances) {
        *distance = f64::INFINITY;
        for (k, centre) in centres.rows().into_iter().enumerate() {
            let square = square_distance(&x, &centre);
            if square < *distance {
                (*label, *distance) = (k, square);
            }
        }
    }
    (labels, distances)
}

fn square_distance(a: &ArrayRef1<f64>, b: &ArrayRef1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn move_to_means(
    centres: &mut Array2<f64>,
    x: &ArrayRef2<f64>,
    labels: &mut Array1<usize>,
    distances: &mut Array1<f64>,
) {
    let mut counts = vec![0_usize; centres.nrows()];
    labels.iter().for_each(|&label| counts[label] += 1);
    for k in 0..counts.len() {
        if counts[k] == 0 {
            // The point farthest from its centre gets one of its own; a cluster of one is not robbed of it.
            let far = |best: usize, n: usize| {
                let better = counts[labels[n]] > 1 && (distances[n] > distances[best] || counts[labels[best]] == 1);
                if better { n } else { best }
            };
            let farthest = (0..labels.len()).fold(0, far);
            counts[labels[farthest]] -= 1;
            counts[k] = 1;
            (labels[farthest], distances[farthest]) = (k, 0.0);
        }
    }
    centres.fill(0.0);
    for (x, &label) in x.rows().into_iter().zip(labels.iter()) {
        let mut centre = centres.row_mut(label);
        centre += &x;
    }
    for (mut centre, &count) in centres.rows_mut().into_iter().zip(&counts) {
        centre /= count.max(1) as f64;
    }
}

/// k-means++: the first centre is any point, each further one a point drawn with probability proportional to its squared
/// distance from the nearest centre so far.
fn spread_out(x: &ArrayRef2<f64>, clusters: usize, random: &mut RandomState) -> Array2<f64> {
    let mut centres = Array2::zeros((clusters, x.ncols()));
    let mut weight = vec![1.0; x.nrows()];
    for k in 0..clusters {
        let total: f64 = weight.iter().sum();
        let mut rest = random.uniform() * total;
        // Where all points lie on centres already, any will do.
        let drawn = weight.iter().position(|w| {
            rest -= w;
            rest < 0.0
        });
        let chosen = x.row(drawn.unwrap_or(k % x.nrows()));
        centres.row_mut(k).assign(&chosen);
        for (weight, x) in weight.iter_mut().zip(x.rows()) {
            let square = square_distance(&x, &chosen);
            *weight = if k == 0 { square } else { weight.min(square) };
        }
    }
    centres
}
