//! Markov chain Monte Carlo: detailed balance counted out, Hamilton's equations by what they must keep, closed forms, loops
//! written out with the same random numbers, ArviZ, quadrature. Random results are held to six standard errors; seeds are what
//! they were at first.

use std::f64::consts::PI;

use mlnotes::mcmc::diagnostics::{ess_bulk, ess_mean, ess_tail, mcse, r_hat, r_hat_split};
use mlnotes::mcmc::{Chains, GaussianConditionals, Gibbs, Hmc, MetropolisHastings, RandomWalk, transition_matrix};
use mlnotes::prelude::*;
use ndarray::{ArrayRef1, ArrayRef2, Ix0};

use crate::{assert_close, message};

type Point = ArrayRef1<f64>;

/// log f and ∇log f of N(0, diag(v)).
fn normal(variance: Array1<f64>) -> impl Fn(&Point) -> Result<(f64, Array1<f64>)> + Copy
where
{
    // Leaked, so that the closure can be copied.
    let variance: &'static Array1<f64> = Box::leak(Box::new(variance));
    move |x| {
        let gradient: Array1<f64> = x.iter().zip(variance).map(|(x, v)| -x / v).collect();
        Ok((0.5 * x.dot(&gradient), gradient))
    }
}

/// x_0 ~ N(1, 4), x_1 | x_0 ~ N(x_0², 1): E x = (1, 5), Var x_0 = 4, Var x_1 = 1 + 4 · 1 · 4 + 2 · 4² = 49.
fn banana(x: &Point) -> Result<(f64, Array1<f64>)> {
    let (a, b) = (x[0] - 1.0, x[1] - x[0] * x[0]);
    Ok((-0.125 * a * a - 0.5 * b * b, array![-0.25 * a + 2.0 * x[0] * b, -b]))
}

/// f = eˣ/(1 + eˣ)², whose draws are log u − log(1 − u).
fn logistic(x: &Point) -> Result<(f64, Array1<f64>)> {
    Ok((-x[0].abs() - 2.0 * (-x[0].abs()).exp().ln_1p(), array![-(0.5 * x[0]).tanh()]))
}

/// |mean| of independent numbers within six of its standard errors.
#[track_caller]
fn assert_zero_mean(values: impl IntoIterator<Item = f64>) {
    let values: Array1<f64> = values.into_iter().collect();
    let (mean, error) = (values.mean().unwrap(), values.std(1.0) / (values.len() as f64).sqrt());
    assert!(mean.abs() <= 6.0 * error, "{mean} with a standard error of {error}");
}

/// The chains' E x and E (x − E x)² within six Monte Carlo standard errors of what they should be.
#[track_caller]
fn assert_moments(chains: &Chains, mean: &[f64], variance: &[f64]) {
    for (i, (&mean, &variance)) in mean.iter().zip(variance).enumerate() {
        let x = chains.coordinate(i).unwrap();
        let squares = x.mapv(|x| (x - mean).powi(2));
        for (draws, want) in [(x.to_owned(), mean), (squares, variance)] {
            let (got, error) = (draws.mean().unwrap(), mcse(&draws).unwrap());
            assert!((got - want).abs() <= 6.0 * error, "coordinate {i}: {got} ± {error} for {want}");
            assert!(
                error < 0.2 * variance.sqrt().max(variance),
                "coordinate {i}: too uncertain to tell: {error} for {want}"
            );
        }
        assert!(r_hat(&x).unwrap() < 1.02);
    }
}

/// Planted: q_ij and q_ji exchanged.
#[test]
fn finite_chains_have_detailed_balance() {
    let mut random = RandomState::new(2);
    let mut cases = vec![(array![0.2, 0.3, 0.5], array![[0.5, 0.25, 0.25], [0.1, 0.6, 0.3], [0.9, 0.1, 0.0]])];
    for states in [1, 2, 3, 7] {
        let mut proposal: Array2<f64> = random.uniform_array((states, states));
        proposal.rows_mut().into_iter().for_each(|mut row| row /= row.sum());
        cases.push((random.uniform_array(states), proposal));
    }
    for (target, proposal) in cases {
        let p = transition_matrix(&target, &proposal).unwrap();
        let pi = &target / target.sum();
        let flow = Array2::from_shape_fn(p.dim(), |(i, j)| pi[i] * p[[i, j]]);
        assert_close(&flow, &flow.t().to_owned(), 1e-15);
        assert_close(&pi.dot(&p), &pi, 1e-15);
        assert_close(&p.sum_axis(Axis(1)), &Array1::ones(pi.len()), 1e-15);
        assert!(p.iter().zip(&proposal).all(|(p, _)| *p >= 0.0));
        // By the rule itself, one pair at a time, and with any constant.
        for ((i, j), &p) in p.indexed_iter().filter(|((i, j), _)| i != j) {
            let ratio = target[j] * proposal[[j, i]] / (target[i] * proposal[[i, j]]);
            assert!((p - proposal[[i, j]] * if proposal[[i, j]] > 0.0 { ratio.min(1.0) } else { 0.0 }).abs() < 1e-15);
        }
        assert_close(&transition_matrix(&(&target * 1e-290), &proposal).unwrap(), &p, 1e-15);
        let mut power = p.clone();
        for _ in 0..12 {
            power = power.dot(&power);
        }
        assert_close(&power.row(0).to_owned(), &pi, 1e-12);
    }
    // Out of a state that is not wanted, and never back.
    let p = transition_matrix(&array![0.0, 1.0, 1.0], &Array2::from_elem((3, 3), 1.0 / 3.0)).unwrap();
    assert_close(&p.column(0).to_owned(), &array![1.0 / 3.0, 0.0, 0.0], 1e-15);
    assert!((p[[0, 1]] - 1.0 / 3.0).abs() < 1e-15 && (p[[1, 1]] - 2.0 / 3.0).abs() < 1e-15);
}

/// The sampler moves as the matrix says. Planted: the log ratio with the other sign.
#[test]
fn a_sampler_moves_as_the_matrix_says() {
    let (target, proposal) = (array![0.2, 0.3, 0.5], array![[0.5_f64, 0.25, 0.25], [0.1, 0.6, 0.3], [0.7, 0.1, 0.2]]);
    let p = transition_matrix(&target, &proposal).unwrap();
    let chains = MetropolisHastings::new()
        .draws(60_000)
        .seed(3)
        .run(
            &array![[0.0]],
            |x| Ok((7.0 * target[x[0] as usize]).ln()),
            |x, random| {
                let (i, u) = (x[0] as usize, random.uniform());
                let j = usize::from(u >= proposal[[i, 0]]) + usize::from(u >= proposal[[i, 0]] + proposal[[i, 1]]);
                Ok((array![j as f64], (proposal[[j, i]] / proposal[[i, j]]).ln()))
            },
        )
        .unwrap();
    let draws: Vec<usize> = chains.draws().iter().map(|&x| x as usize).collect();
    for i in 0..3 {
        let from = draws[..draws.len() - 1].iter().filter(|&&state| state == i).count() as f64;
        for j in 0..3 {
            let share = draws.windows(2).filter(|pair| **pair == [i, j]).count() as f64 / from;
            let p = p[[i, j]];
            assert!((share - p).abs() < 6.0 * (p * (1.0 - p) / from).sqrt(), "{i} to {j}: {share} for {p}");
        }
    }
}

/// Every draw and the step size, by a loop with the same random numbers.
///
/// Planted: a step that goes on adapting after the warm-up.
#[test]
fn random_walks_are_the_loop_written_out() {
    let log_density = |x: &Point| Ok(banana(x)?.0);
    let start = array![[0.0, 0.0], [3.0, -4.0]];
    let walk = RandomWalk::per_coordinate(array![0.5, 2.0]).adapt().warm_up(40).draws(60).seed(u32::MAX);
    let chains = walk.run(&start, log_density).unwrap();
    for (chain, seed) in [(0, u32::MAX), (1, 0)] {
        let (mut random, mut x) = (RandomState::new(seed), start.row(chain).to_owned());
        let (mut log_factor, mut moves) = (0.0_f64, 0.0);
        for step in 0..100 {
            let candidate = array![
                x[0] + log_factor.exp() * 0.5 * random.normal(),
                x[1] + log_factor.exp() * 2.0 * random.normal()
            ];
            let ratio = (log_density(&candidate).unwrap() - log_density(&x).unwrap()).exp();
            let accepted = random.uniform() < ratio;
            if accepted {
                x = candidate;
            }
            if step < 40 {
                log_factor += (ratio.min(1.0) - 0.234) / f64::powf(step as f64 + 1.0, 0.6);
            } else {
                moves += f64::from(u8::from(accepted)) / 60.0;
                assert_close(&chains.draws().slice(s![chain, step - 40, ..]).to_owned(), &x, 1e-13);
            }
        }
        assert!((chains.acceptance().unwrap()[chain] - moves).abs() < 1e-14);
        assert!((chains.step_size().unwrap()[chain] - 0.5 * log_factor.exp()).abs() < 1e-14);
    }
}

/// H, its gradient and the paper's recursions, with the same random numbers.
///
/// Planted: momenta without the masses' roots; ε in place of ε̄ after the warm-up; L drawn from 1 to its mean.
#[test]
fn hamiltonian_draws_are_the_loop_written_out() {
    let (mass, start, average_steps) = (array![0.5, 3.0], array![[0.5, 1.0]], 4);
    let hmc = Hmc::new().mass(mass.clone()).steps(average_steps).target(0.7).warm_up(30).draws(40).seed(5);
    let chains = hmc.run(&start, banana).unwrap();
    let energy = |x: &Array1<f64>, p: &Array1<f64>| 0.5 * (p * p / &mass).sum() - banana(x).unwrap().0;
    let leap = |x: &Array1<f64>, p: &Array1<f64>, step: f64| {
        let half = p + &(banana(x).unwrap().1 * (step / 2.0));
        let there = x + &(&half / &mass * step);
        let p = half + banana(&there).unwrap().1 * (step / 2.0);
        (there, p)
    };
    let mut random = RandomState::new(5);
    let push = |random: &mut RandomState| array![0.5_f64.sqrt() * random.normal(), 3_f64.sqrt() * random.normal()];
    let mut x = start.row(0).to_owned();
    // Algorithm 4.
    let (mut step, p) = (1.0, push(&mut random));
    let gain = |step: f64| {
        let (x1, p1) = leap(&x, &p, step);
        energy(&x, &p) - energy(&x1, &p1)
    };
    let a = if gain(step).exp() > 0.5 { 1.0 } else { -1.0 };
    while gain(step).exp().powf(a) > f64::powf(2.0, -a) {
        step *= f64::powf(2.0, a);
    }
    // Algorithm 5.
    let (mu, mut shortfall, mut log_average) = ((10.0 * step).ln(), 0.0, 0.0);
    for t in 1..=70 {
        let p = push(&mut random);
        let count = 1 + random.below(2 * average_steps - 1).unwrap();
        let (mut x1, mut p1) = (x.clone(), p.clone());
        for _ in 0..count {
            (x1, p1) = leap(&x1, &p1, step);
        }
        let acceptance = (energy(&x, &p) - energy(&x1, &p1)).exp().min(1.0);
        if random.uniform() < acceptance {
            x = x1;
        }
        if t <= 30 {
            let t = f64::from(t);
            shortfall = (1.0 - 1.0 / (t + 10.0)) * shortfall + (0.7 - acceptance) / (t + 10.0);
            let log_step = mu - t.sqrt() / 0.05 * shortfall;
            log_average = t.powf(-0.75) * log_step + (1.0 - t.powf(-0.75)) * log_average;
            step = if t < 30.0 { log_step.exp() } else { f64::exp(log_average) };
        } else {
            // Rounding grows along the trajectories of a banana.
            assert_close(&chains.draws().slice(s![0, t as usize - 31, ..]).to_owned(), &x, 1e-9);
        }
    }
    assert!((chains.step_size().unwrap()[0] / step - 1.0).abs() < 1e-10);
}

/// Planted: a whole step of momentum at the start of each leapfrog step.
#[test]
fn leapfrog_goes_back_keeps_volumes_and_errs_by_the_square_of_the_step() {
    let (x, p) = (array![0.3, -0.8], array![1.1, 0.4]);
    let hmc = Hmc::new().mass(array![2.0, 0.7]);
    let there = hmc.trajectory(&x, &p, 0.05, 60, banana).unwrap();
    let end = (there.position.row(60).to_owned(), there.momentum.row(60).to_owned());
    assert!((&end.0 - &x).mapv(f64::abs).sum() > 0.5);
    for (p, step) in [(-&end.1, 0.05), (end.1.clone(), -0.05)] {
        let back = hmc.trajectory(&end.0, &p, step, 60, banana).unwrap();
        assert_close(&back.position.row(60).to_owned(), &x, 1e-12);
        assert_close(&back.momentum.row(60).mapv(f64::abs), &array![1.1, 0.4], 1e-12);
    }

    // The Jacobian's determinant, by central differences of fourth order.
    let flow = |z: &Array1<f64>| {
        let there = hmc.trajectory(&z.slice(s![..2]), &z.slice(s![2..]), 0.1, 15, banana).unwrap();
        ndarray::concatenate![Axis(0), there.position.row(15), there.momentum.row(15)]
    };
    let z = ndarray::concatenate![Axis(0), x, p];
    let mut jacobian = Array2::zeros((4, 4));
    for j in 0..4 {
        let at = |h: f64| {
            let mut z = z.clone();
            z[j] += h;
            flow(&z)
        };
        let h = 1e-3;
        let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        jacobian.column_mut(j).assign(&slope);
    }
    assert!((determinant(jacobian) - 1.0).abs() < 1e-8);

    // Over the same time, half the step leaves a quarter of the error in H.
    let error = |steps: usize| {
        let energy = hmc.trajectory(&x, &p, 2.0 / steps as f64, steps, banana).unwrap().energy;
        (energy[steps] - energy[0]).abs()
    };
    for steps in [200, 400, 800] {
        let ratio = error(steps) / error(2 * steps);
        assert!((ratio - 4.0).abs() < 0.02, "{ratio}");
    }
}

/// Where f is N(0, 1), the leapfrog map is linear: its determinant is 1, and it keeps p² + (1 − ε²/4) x².
#[test]
fn leapfrog_of_a_spring_is_known() {
    let spring = normal(array![1.0]);
    let (step, steps) = (0.7, 25);
    let column = |x: f64, p: f64| {
        let there = Hmc::new().trajectory(&array![x], &array![p], step, steps, spring).unwrap();
        let kept =
            |t: usize| there.momentum[[t, 0]].powi(2) + (1.0 - step * step / 4.0) * there.position[[t, 0]].powi(2);
        assert!((0..=steps).all(|t| (kept(t) - kept(0)).abs() < 1e-13));
        assert!((0..=steps).all(|t| {
            let h = 0.5 * (there.momentum[[t, 0]].powi(2) + there.position[[t, 0]].powi(2));
            (there.energy[t] - h).abs() < 1e-14
        }));
        [there.position[[steps, 0]], there.momentum[[steps, 0]]]
    };
    let ([a, c], [b, d]) = (column(1.0, 0.0), column(0.0, 1.0));
    assert!((a * d - b * c - 1.0).abs() < 1e-13);
    // A rotation by 2 arcsin(ε/2) a step.
    assert!((0.5 * (a + d) - (steps as f64 * 2.0 * (step / 2.0).asin()).cos()).abs() < 1e-13);
}

fn determinant(mut a: Array2<f64>) -> f64 {
    let n = a.nrows();
    let mut product = 1.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[[i, k]].abs().total_cmp(&a[[j, k]].abs())).unwrap();
        if pivot != k {
            (0..n).for_each(|j| a.swap([k, j], [pivot, j]));
            product = -product;
        }
        product *= a[[k, k]];
        for i in k + 1..n {
            let factor = a[[i, k]] / a[[k, k]];
            (k..n).for_each(|j| a[[i, j]] -= factor * a[[k, j]]);
        }
    }
    product
}

/// 20 000 chains that begin with draws of f itself: after each step they are draws of f still, and pairs (before, after) are as
/// likely as (after, before).
///
/// Planted: every trajectory accepted; the Hastings ratio with the other sign.
#[test]
fn a_step_leaves_the_target_as_it_is() {
    let n = 20_000;
    let mut random = RandomState::new(3_000_000_000);
    let uniform: Array2<f64> = random.uniform_array((n, 1));
    let of_logistic = uniform.mapv(|u: f64| (u / (1.0 - u)).ln());
    let of_exponential = uniform.mapv(|u: f64| -(-u).ln_1p());
    let log_logistic = |x: &Point| Ok(logistic(x)?.0);
    let hmc = |step, steps| Hmc::new().step(step).steps(steps).warm_up(0).draws(2);
    let cases = [
        (&of_logistic, hmc(2.4, 2).run(&of_logistic, logistic).unwrap(), [0.0, PI * PI / 3.0]),
        (&of_logistic, hmc(2.0, 1).mass(array![0.5]).run(&of_logistic, logistic).unwrap(), [0.0, PI * PI / 3.0]),
        (
            &of_logistic,
            RandomWalk::new(3.0).warm_up(0).draws(2).run(&of_logistic, log_logistic).unwrap(),
            [0.0, PI * PI / 3.0],
        ),
        (
            &of_exponential,
            MetropolisHastings::new()
                .warm_up(0)
                .draws(2)
                .run(
                    &of_exponential,
                    |x| Ok(-x[0]),
                    |x, random| {
                        let step = 0.8 * random.normal();
                        Ok((array![x[0] * step.exp()], step))
                    },
                )
                .unwrap(),
            [1.0, 2.0],
        ),
    ];
    for (start, chains, [mean, square]) in cases {
        let accepted = chains.acceptance().unwrap().mean().unwrap();
        assert!((0.3..0.97).contains(&accepted), "{accepted}: too easy a case");
        let draws = chains.coordinate(0).unwrap();
        for t in 0..2 {
            assert_zero_mean(draws.column(t).iter().map(|x| x - mean));
            assert_zero_mean(draws.column(t).iter().map(|x| x * x - square));
        }
        let (f, g) = (f64::tanh, |x: f64| f64::from(u8::from(x > 1.0)));
        let pairs = || start.iter().zip(draws.column(0));
        assert_zero_mean(pairs().map(|(&x, &y)| f(x) * g(y) - g(x) * f(y)));
        assert!(pairs().any(|(&x, &y)| f(x) * g(y) != g(x) * f(y)));
    }
}

/// Planted: the covariance's entries in place of the precision's.
#[test]
fn gaussian_conditionals_are_the_joint_ones() {
    let mut random = RandomState::new(8);
    for n in [1, 2, 5] {
        let root: Array2<f64> = random.normal_array((n, n + 2));
        let (mean, sigma, x) = (random.normal_array(n), root.dot(&root.t()), random.normal_array(n));
        let target = GaussianConditionals::new(mean.clone(), sigma.clone()).unwrap();
        for i in 0..n {
            // log N(x) as a function of x_i is a parabola, whose shape three determinants show:
            // 1/variance = det(Σ without row and column i)/det Σ.
            let others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            let block = sigma.select(Axis(0), &others).select(Axis(1), &others);
            let (got_mean, got_variance) = target.conditional(i, &x).unwrap();
            let want = determinant(sigma.clone()) / determinant(block.clone());
            assert!((got_variance / want - 1.0).abs() < 1e-12);
            // μ_i + Σ_io Σ_oo⁻¹ (x_o − μ_o), by Cramer's rule.
            let mut pull = 0.0;
            for (k, _) in others.iter().enumerate() {
                let mut replaced = block.clone();
                let rest: Array1<f64> = others.iter().map(|&j| x[j] - mean[j]).collect();
                replaced.column_mut(k).assign(&rest);
                pull += sigma[[i, others[k]]] * determinant(replaced) / determinant(block.clone());
            }
            assert!((got_mean - mean[i] - pull).abs() < 1e-11, "{got_mean} {}", mean[i] + pull);
        }
    }
}

/// In the plane a sweep is an autoregression with coefficient ρ². Planted: only the first coordinate drawn.
#[test]
fn gibbs_draws_of_two_gaussians_are_an_autoregression() {
    for rho in [0.0, 0.6, 0.9_f64] {
        let target = GaussianConditionals::new(array![1.0, -2.0], array![[4.0, 2.0 * rho], [2.0 * rho, 1.0]]).unwrap();
        let start = array![[9.0, 9.0], [-9.0, 9.0], [9.0, -9.0], [-9.0, -9.0]];
        let chains = Gibbs::new().draws(20_000).seed(1).run(&start, |i, x, random| target.draw(i, x, random)).unwrap();
        assert_moments(&chains, &[1.0, -2.0], &[4.0, 1.0]);
        let phi = rho * rho;
        for (i, variance) in [(0, 4.0), (1, 1.0)] {
            let x = chains.coordinate(i).unwrap();
            let mean = [1.0, -2.0][i];
            // Lag 1, over blocks of 1000 draws, which are as good as independent.
            let blocks = x.rows().into_iter().flat_map(|row| {
                row.to_vec()
                    .chunks(1000)
                    .map(|x| x.windows(2).map(|x| (x[0] - mean) * (x[1] - mean)).sum::<f64>() / 999.0)
                    .collect::<Vec<_>>()
            });
            assert_zero_mean(blocks.map(|covariance| covariance / variance - phi));
            let want = 80_000.0 * (1.0 - phi) / (1.0 + phi);
            for ess in [ess_mean(&x).unwrap(), ess_bulk(&x).unwrap()] {
                assert!((ess / want - 1.0).abs() < 0.1, "{ess} for {want}");
            }
        }
    }
}

/// A joint distribution of three bits that nobody can factor, counted out.
#[test]
fn gibbs_visits_states_as_often_as_they_are_probable() {
    let joint: Array1<f64> = RandomState::new(12).uniform_array(8);
    let at = |x: &Point| (4.0 * x[0] + 2.0 * x[1] + x[2]) as usize;
    let chains = Gibbs::new()
        .draws(10_000)
        .seed(4)
        .run(&array![[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], |i, x, random| {
            let weight = |bit: f64| {
                let mut x = x.to_owned();
                x[i] = bit;
                joint[at(&x)]
            };
            let one = weight(1.0) / (weight(0.0) + weight(1.0));
            Ok(f64::from(u8::from(random.uniform() < one)))
        })
        .unwrap();
    for state in 0..8 {
        let visits =
            chains.draws().map_axis(Axis(2), |x| f64::from(u8::from(at(&x) == state)) - joint[state] / joint.sum());
        assert!(visits.mean().unwrap().abs() < 6.0 * mcse(&visits).unwrap());
    }
}

/// 2/π arctan(2/s) where f is N(0, 1) and the step s, and by quadrature; 16 chains tell how sure that is.
#[test]
fn random_walks_are_accepted_as_often_as_they_should_be() {
    let start = RandomState::new(6).normal_array((16, 1));
    for scale in [0.5, 2.4, 10.0_f64] {
        // ∫∫ min(f(x), f(x + s ε)) φ(ε), trapezoidal.
        let phi = |x: f64| (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        let (h, range) = (0.04, -250..=250);
        let mut quadrature = 0.0;
        for i in range.clone() {
            for j in range.clone() {
                let (x, noise) = (h * f64::from(i), h * f64::from(j));
                quadrature += h * h * phi(x).min(phi(x + scale * noise)) * phi(noise);
            }
        }
        let want = 2.0 / PI * (2.0 / scale).atan();
        // The integrand has a kink.
        assert!((quadrature - want).abs() < 1e-3);
        let chains = RandomWalk::new(scale).draws(4000).seed(100).run(&start, |x| Ok(-0.5 * x[0] * x[0])).unwrap();
        assert_zero_mean(chains.acceptance().unwrap().iter().map(|share| share - want));
    }
}

#[test]
fn steps_are_adapted_to_the_acceptance_wanted() {
    let wide = normal(array![1e6]);
    let chains = RandomWalk::new(1.0)
        .adapt()
        .warm_up(3000)
        .draws(4000)
        .seed(1)
        .run(&array![[0.0], [900.0]], |x| Ok(wide(x)?.0))
        .unwrap();
    assert!(chains.acceptance().unwrap().iter().all(|share| (share - 0.44).abs() < 0.06), "{chains:?}");
    let eight = normal(Array1::ones(8));
    let start = RandomState::new(1).normal_array((2, 8));
    let walk = RandomWalk::new(1.0).adapt().warm_up(3000).draws(4000).seed(1);
    let chains = walk.run(&start, |x| Ok(eight(x)?.0)).unwrap();
    assert!(chains.acceptance().unwrap().iter().all(|share| (share - 0.234).abs() < 0.05));
    for (target, scale) in [(0.65, 1.0), (0.8, 1e-6), (0.9, 1e6)] {
        let chains =
            Hmc::new().target(target).seed(2).run(&(&start * scale), normal(Array1::from_elem(8, scale * scale)));
        let chains = chains.unwrap();
        let (share, step) = (chains.acceptance().unwrap(), chains.step_size().unwrap());
        assert!(share.iter().all(|share| (share - target).abs() < 0.08), "{share} for {target}");
        assert!(step.iter().all(|step| (0.1 * scale..3.0 * scale).contains(step)));
        assert_eq!(chains.divergences(), &array![0, 0]);
    }
}

/// Planted: a trajectory that begins with the gradient of the one refused before it.
#[test]
fn moments_are_those_of_the_target() {
    let start = array![[-3.0, 9.0], [4.0, 16.0], [0.0, 0.0], [1.0, -2.0]];
    // The steps that an acceptance of 0.8 asks for cannot follow the arms out, where the banana is thinnest: the chains say so.
    let chains = Hmc::new().seed(11).run(&start, banana).unwrap();
    assert!(chains.divergences().sum() > 0 && chains.r_hat().iter().any(|&r_hat| r_hat > 1.01), "{}", chains.to_text());
    // Long trajectories of small steps can: with a mean length of 1, 40 000 draws are worth 100.
    let chains = Hmc::new().step(0.05).steps(100).warm_up(200).draws(3000).seed(11).run(&start, banana).unwrap();
    assert_moments(&chains, &[1.0, 5.0], &[4.0, 49.0]);
    assert_eq!(chains.divergences().sum(), 0);
    let chains = RandomWalk::new(1.0).adapt().draws(240_000).seed(11).run(&start, |x| Ok(banana(x)?.0)).unwrap();
    assert_moments(&chains, &[1.0, 5.0], &[4.0, 49.0]);

    // Spreads of 0.01 and 100, at once with the right masses.
    let thin = normal(array![1e-4, 1e4]);
    let chains = Hmc::new().mass(array![1e4, 1e-4]).seed(1).run(&(&start * 0.01), thin).unwrap();
    assert_moments(&chains, &[0.0, 0.0], &[1e-4, 1e4]);
    assert!(chains.effective_sample_size().iter().all(|&ess| ess > 1000.0), "{}", chains.to_text());
}

/// SciPy integrated it. Planted: every trajectory accepted.
#[test]
fn a_regression_has_the_moments_that_quadrature_gives() {
    let reference = Reference::load("mcmc", "logistic").unwrap();
    let array = |name| reference.array::<ndarray::Ix1>(name).unwrap();
    let (inputs, outputs, mean, variance) = (array("inputs"), array("outputs"), array("mean"), array("variance"));
    let posterior = |x: &Point| {
        let (mut log_density, mut gradient) = (-x.dot(x) / 8.0, x.mapv(|x| -x / 4.0));
        for (input, y) in inputs.iter().zip(&outputs) {
            let score = x[0] + x[1] * input;
            log_density += y * score - score.max(0.0) - (-score.abs()).exp().ln_1p();
            let residual = y - 1.0 / (1.0 + (-score).exp());
            gradient += &array![residual, residual * input];
        }
        Ok((log_density, gradient))
    };
    let start = RandomState::new(1).normal_array((4, 2)) * 4.0;
    let hmc = Hmc::new().draws(5000).seed(21).run(&start, posterior).unwrap();
    let walk = RandomWalk::new(1.0).adapt().draws(30_000).seed(21).run(&start, |x| Ok(posterior(x)?.0)).unwrap();
    let covariance = reference.array::<Ix0>("covariance").unwrap().into_scalar();
    for chains in [hmc, walk] {
        assert_moments(&chains, &mean.to_vec(), &variance.to_vec());
        let products = chains.draws().map_axis(Axis(2), |x| (x[0] - mean[0]) * (x[1] - mean[1]));
        assert!((products.mean().unwrap() - covariance).abs() < 6.0 * mcse(&products).unwrap());
    }
}

/// In the case `five` the least draw is a middle one, which is left out: the halves never fall below the 5 % quantile. ArviZ
/// counts that as N draws; here it has no say.
///
/// Planted: ranks too low; W with n in place of n − 1; the monotone sequence left out; no room for zeros in the Fourier
/// transform; the middle draw of an odd number kept.
#[test]
fn arviz_says_the_same_of_draws() {
    let cases = [
        "independent",
        "sticky",
        "alternating",
        "refused",
        "cauchy",
        "shifted",
        "scaled",
        "counts",
        "odd",
        "short",
        "five",
        "drift",
        "alone",
    ];
    for case in cases {
        let reference = Reference::load("mcmc", case).unwrap();
        let number = |name| reference.array::<Ix0>(name).unwrap().into_scalar();
        let draws: Array2<f64> = reference.array("draws").unwrap();
        let check = |name: &str, got: Result<f64>, want: f64| {
            let got = got.unwrap();
            assert!((got / want - 1.0).abs() < 1e-12, "{case}, {name}: {got} for {want}");
        };
        check("ess_mean", ess_mean(&draws), number("ess_mean"));
        check("ess_bulk", ess_bulk(&draws), number("ess_bulk"));
        if case != "five" {
            check("ess_tail", ess_tail(&draws), number("ess_tail"));
        }
        check("mcse", mcse(&draws), number("mcse"));
        check("r_hat_split", r_hat_split(&draws), number("r_hat_split"));
        if draws.nrows() > 1 {
            check("r_hat", r_hat(&draws), number("r_hat"));
        }
        let chains = Chains::new(draws.clone().insert_axis(Axis(2))).unwrap();
        let quantiles: Array1<f64> = reference.array("quantiles").unwrap();
        for (p, want) in [0.0, 0.05, 0.5, 0.95, 1.0].into_iter().zip(quantiles) {
            assert!((chains.quantile(p).unwrap()[0] - want).abs() < 1e-12 * want.abs().max(1.0));
        }
        check("mean", Ok(chains.mean()[0]), draws.mean().unwrap());
        check("sd", Ok(chains.sd()[0]), draws.std(1.0));
        assert_eq!(chains.effective_sample_size()[0], ess_bulk(&draws).unwrap());
        assert_eq!(chains.standard_error()[0], mcse(&draws).unwrap());
    }
}

/// R̂² = Var⁺/W and the sum over ρ_t, as the paper writes them, with every lag. Independent draws have ESS = N, and an
/// autoregression what the sum of its φᵗ says.
#[test]
fn diagnostics_are_the_formulas() {
    let mut random = RandomState::new(30);
    for (phi, length) in [(0.0, 40), (0.8, 400), (-0.4, 200)] {
        let mut draws: Array2<f64> = random.normal_array((3, length));
        for t in 1..length {
            for chain in 0..3 {
                draws[[chain, t]] += phi * draws[[chain, t - 1]];
            }
        }
        let (n, m) = (length / 2, 6.0);
        let halves = draws.to_shape((6, n)).unwrap().to_owned();
        let within = halves.var_axis(Axis(1), 1.0).mean().unwrap();
        let total = (n as f64 - 1.0) / n as f64 * within + halves.mean_axis(Axis(1)).unwrap().var(1.0);
        assert!((r_hat_split(&draws).unwrap() - (total / within).sqrt()).abs() < 1e-13);
        // Σ over chains of s² ρ_ct, each half with its own mean and variance.
        let rho: Vec<f64> = (0..n)
            .map(|lag| {
                let each = halves.rows().into_iter().map(|x| {
                    let (mean, variance) = (x.mean().unwrap(), x.var(1.0));
                    let covariance: f64 = (lag..n).map(|t| (x[t] - mean) * (x[t - lag] - mean)).sum::<f64>() / n as f64;
                    variance * (covariance / variance)
                });
                if lag == 0 { 1.0 } else { 1.0 - (within - each.sum::<f64>() / m) / total }
            })
            .collect();
        let pairs: Vec<f64> = rho.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect();
        let end = pairs.iter().position(|&pair| pair < 0.0).expect("noise ends the sum");
        let monotone: f64 = (0..end).map(|k| pairs[..=k].iter().fold(f64::INFINITY, |a, &b| a.min(b))).sum();
        let tau = (-1.0 + 2.0 * monotone + rho[2 * end].max(0.0)).max(1.0 / f64::log10(m * n as f64));
        let got = ess_mean(&draws).unwrap();
        assert!((got / (m * n as f64 / tau) - 1.0).abs() < 1e-12, "{got}");
    }
    let independent: Array2<f64> = random.normal_array((4, 10_000));
    for ess in [ess_mean(&independent), ess_bulk(&independent), ess_tail(&independent)] {
        assert!((ess.unwrap() / 40_000.0 - 1.0).abs() < 0.1);
    }
    assert!((r_hat(&independent).unwrap() - 1.0).abs() < 0.001);
}

/// What has no meaning is NaN and no number.
#[test]
fn diagnostics_at_the_edge() {
    let all = |x: &ArrayRef2<f64>| {
        [ess_mean(x), ess_bulk(x), ess_tail(x), mcse(x), r_hat(x), r_hat_split(x)].map(|value| value.unwrap())
    };
    for few in [array![[0.3]], array![[0.1, 0.2, 0.3], [0.2, 0.1, 0.4]], Array2::from_elem((4, 100), 0.1)] {
        let values = all(&few);
        assert!(values.iter().all(|value| value.is_nan()), "{values:?}");
    }
    // Chains that do not move, each at a place of its own.
    let stuck = Array2::from_shape_fn((3, 50), |(chain, _)| 0.1 + chain as f64);
    let [mean, bulk, .., rank, split] = all(&stuck);
    assert!(rank == f64::INFINITY && split == f64::INFINITY && mean < 7.0 && bulk < 7.0, "{mean} {bulk}");
    // One chain is compared with itself.
    let drift = Array2::from_shape_fn((1, 100), |(_, draw)| draw as f64);
    assert!(r_hat(&drift).unwrap() > 1.5);
    // Alternating draws: as many as the bound allows.
    let alternating = Array2::from_shape_fn((1, 100), |(_, draw)| if draw % 2 == 0 { 1.0 } else { -1.0 });
    assert!((ess_mean(&alternating).unwrap() - 100.0 * 100_f64.log10()).abs() < 1e-9);
    assert!(message(r_hat(&Array2::zeros((0, 4)))).contains("empty"));
    assert!(message(ess_mean(&Array2::zeros((4, 0)))).contains("empty"));
    assert!(message(mcse(&array![[1.0, f64::NAN, 2.0, 3.0]])).contains("NaN at [0, 1]"));
}

#[test]
fn chains_show_themselves() {
    let start = array![[1.0, 5.0], [2.0, 4.0]];
    let chains = Hmc::new().warm_up(200).draws(200).seed(1).run(&start, banana).unwrap();
    let chains = chains.named(["bend", "height"]).unwrap();
    let text = chains.to_text();
    assert!(text.starts_with("2 chains, 200 draws each, "), "{text}");
    for word in ["% accepted", "parameter", "mean", "sd", "mcse", "ess", "r_hat", "bend", "height"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(matches!(chains.to_rich(), mlnotes::display::Rich::Html(html) if html.contains("bend")));
    assert_eq!(chains.pooled().row(200), chains.draws().slice(s![1, 0, ..]));
    assert_eq!(chains.coordinate(1).unwrap()[[1, 3]], chains.draws()[[1, 3, 1]]);
    #[cfg(feature = "plot")]
    {
        let figure = chains.trace(1).unwrap().finish().unwrap();
        assert!(figure.svg().contains("height") && figure.to_text().contains("2 series"));
        assert!(message(chains.trace(2)).contains("below 2"));
    }
    // One draw of one chain still has a mean.
    let one = Chains::new(array![[[3.0]]]).unwrap();
    assert!(one.mean() == array![3.0] && one.sd()[0].is_nan() && one.r_hat()[0].is_nan());
    assert_eq!(one.quantile(0.3).unwrap(), array![3.0]);
    assert!(one.to_text().starts_with("1 chain, 1 draws each"), "{}", one.to_text());
    assert!(message(Chains::new(Array3::zeros((2, 0, 1)))).contains("empty"));
    assert!(message(Chains::new(array![[[f64::NAN]]])).contains("NaN"));
    assert!(message(one.quantile(f64::NAN)).contains("from 0 to 1"));
    assert!(message(one.quantile(1.5)).contains("1.5"));
    assert!(message(one.coordinate(1)).contains("below 1"));
    assert!(message(one.named(["a", "b"])).contains("one name per coordinate"));
}

/// A funnel: where x_0 is low, x_1 has no room.
#[test]
fn steps_too_large_diverge_and_are_counted() {
    let funnel = |x: &Point| {
        let (a, b) = (x[0], x[1]);
        let precision = (-a).exp();
        Ok((
            -a * a / 18.0 - 0.5 * a - 0.5 * b * b * precision,
            array![-a / 9.0 - 0.5 + 0.5 * b * b * precision, -b * precision],
        ))
    };
    let start = array![[0.0, 1.0], [-2.0, 0.1]];
    let chains = Hmc::new().step(1.5).warm_up(0).seed(1).run(&start, funnel).unwrap();
    assert!(chains.divergences().sum() > 0);
    assert!(chains.to_text().contains("diverged"));
    assert!(chains.draws().iter().all(|x| x.is_finite()));
    // A wall: f is 0 below 0, and nothing goes there.
    let half = |x: &Point| Ok(if x[0] < 0.0 { (f64::NEG_INFINITY, array![f64::NAN]) } else { (-x[0], array![-1.0]) });
    let chains = Hmc::new().step(0.3).steps(4).draws(8000).seed(1).run(&array![[1.0], [0.1]], half).unwrap();
    assert_moments(&chains, &[1.0], &[1.0]);
    assert!(chains.divergences().sum() > 0 && chains.draws().iter().all(|&x| x >= 0.0));
    let walk = RandomWalk::new(2.0).draws(8000).seed(1).run(&array![[1.0], [0.1]], |x| Ok(half(x)?.0)).unwrap();
    assert_moments(&walk, &[1.0], &[1.0]);
    let ends = Hmc::new().trajectory(&array![0.5], &array![-1.0], 0.2, 10, half).unwrap();
    assert!(ends.energy.len() < 11 && ends.position.iter().all(|&x| x >= 0.0));
    // Beyond all numbers.
    let chains = Hmc::new().step(1e308).steps(3).warm_up(0).draws(5).run(&array![[1.0]], logistic).unwrap();
    assert_eq!(chains.acceptance().unwrap(), &array![0.0]);
    // Flat everywhere: the search for a step ends.
    assert!(Hmc::new().warm_up(5).draws(5).run(&array![[1.0]], |_| Ok((0.0, array![0.0]))).is_ok());
}

/// Planted: −∞ allowed at the start.
#[test]
fn what_cannot_be_sampled_is_refused() {
    let good = |x: &Point| Ok(-0.5 * x.dot(x));
    let sloped = |x: &Point| Ok((-0.5 * x.dot(x), x.mapv(|x| -x)));
    let one = array![[1.0]];
    let walk = || RandomWalk::new(1.0).warm_up(10).draws(10);
    let hmc = || Hmc::new().warm_up(10).draws(10);
    assert!(walk().warm_up(0).draws(1).run(&one, good).is_ok() && hmc().draws(1).run(&one, sloped).is_ok());

    for start in [Array2::zeros((0, 1)), Array2::zeros((1, 0))] {
        assert!(message(walk().run(&start, good)).contains("`start` is empty"));
        assert!(message(hmc().run(&start, sloped)).contains("`start` is empty"));
        assert!(message(Gibbs::new().run(&start, |_, _, _| Ok(0.0))).contains("`start` is empty"));
    }
    assert!(message(walk().run(&array![[f64::NAN]], good)).contains("NaN at [0, 0]"));
    assert!(message(walk().draws(0).run(&one, good)).contains("`draws` is 0"));
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(RandomWalk::new(scale).run(&one, good)).contains("`scale`"));
        assert!(message(hmc().step(scale).run(&one, sloped)).contains("`step`"));
        assert!(message(hmc().mass(array![scale]).run(&one, sloped)).contains("`mass`"));
    }
    assert!(message(RandomWalk::per_coordinate(array![1.0, 1.0]).run(&array![[1.0, 1.0, 1.0]], good)).contains("(3)"));
    assert!(message(RandomWalk::per_coordinate(array![]).run(&one, good)).contains("(1)"));
    assert!(message(walk().warm_up(0).adapt().run(&one, good)).contains("`warm_up` is 0"));
    assert!(message(hmc().warm_up(0).run(&one, sloped)).contains("`warm_up` is 0"));
    for target in [0.0, 1.0, f64::NAN] {
        assert!(message(hmc().target(target).run(&one, sloped)).contains("`target`"));
    }
    assert!(message(hmc().steps(0).run(&one, sloped)).contains("`steps` is 0"));
    assert!(message(hmc().mass(array![1.0, 1.0]).run(&one, sloped)).contains("`mass` has the shape [2]"));

    // Where nothing can begin.
    for (value, word) in [(f64::NEG_INFINITY, "begin where"), (f64::NAN, "0/0"), (f64::INFINITY, "inf - inf")] {
        let two = array![[1.0], [-3.5]];
        let there = |x: &Point| Ok(if x[0] == -3.5 { value } else { 0.0 });
        for said in [
            message(RandomWalk::new(1e-9).run(&two, there)),
            message(hmc().step(1e-9).run(&two, |x| Ok((there(x)?, array![0.0])))),
        ] {
            assert!(said.contains("at x = [-3.5] at the start of chain 1") && said.contains(word), "{said}");
        }
    }
    // What goes wrong on the way.
    let root = |x: &Point| Ok((1.0 - x[0] * x[0]).sqrt());
    assert!(message(RandomWalk::new(5.0).warm_up(0).run(&one, root)).contains("in draw "));
    assert!(message(RandomWalk::new(5.0).run(&one, root)).contains("of the warm-up of chain 0"));
    let steep = |x: &Point| Ok((x[0].sqrt(), array![-3.0]));
    assert!(message(hmc().run(&one, steep)).contains("log_density` is NaN at x = [-"));
    assert!(message(hmc().run(&one, |_| Ok((0.0, array![f64::NAN])))).contains("`gradient` is NaN in coordinate 0"));
    assert!(message(hmc().run(&one, |_| Ok((0.0, array![0.0, 0.0])))).contains("`gradient` has the shape [2]"));
    let own = |_: &Point| Err(Error::domain("rate", 7, "less, for instance 6"));
    assert!(message(walk().run(&one, own)).contains("`rate` is 7"));

    let mh = MetropolisHastings::new();
    assert!(message(mh.run(&one, good, |_, _| Ok((array![1.0, 2.0], 0.0)))).contains("`proposal` has the shape [2]"));
    assert!(message(mh.run(&one, good, |_, _| Ok((array![f64::NAN], 0.0)))).contains("`proposal` is [NaN] in step 0"));
    for ratio in [f64::NAN, f64::INFINITY] {
        assert!(message(mh.run(&one, good, |x, _| Ok((x.to_owned(), ratio)))).contains("log ratio"));
    }
    // No way back: refused, and no error.
    let chains = mh.run(&one, good, |x, _| Ok((x.mapv(|x| x + 1.0), f64::NEG_INFINITY))).unwrap();
    assert_eq!(chains.acceptance().unwrap(), &array![0.0]);

    let said =
        message(Gibbs::new().warm_up(0).run(&array![[0.0, 0.0]], |i, _, _| Ok(if i == 1 { f64::NAN } else { 0.0 })));
    assert!(said.contains("NaN for coordinate 1 in draw 0 of chain 0"), "{said}");
    assert!(message(GaussianConditionals::new(array![], Array2::zeros((0, 0)))).contains("empty"));
    assert!(message(GaussianConditionals::new(array![0.0], array![[1.0, 0.0]])).contains("(1, 1)"));
    assert!(message(GaussianConditionals::new(array![0.0], array![[f64::NAN]])).contains("NaN"));
    for bad in [array![[1.0, 1.0], [1.0, 1.0]], array![[1.0, 0.5], [0.2, 1.0]], array![[-1.0, 0.0], [0.0, 1.0]]] {
        assert!(matches!(GaussianConditionals::new(array![0.0, 0.0], bad), Err(Error::Singular { .. })));
    }
    let target = GaussianConditionals::new(array![0.0], array![[2.0]]).unwrap();
    assert!(message(target.conditional(1, &array![0.0])).contains("below 1"));
    assert!(message(target.conditional(0, &array![0.0, 0.0])).contains("(1)"));

    let plain = Hmc::new();
    assert!(message(plain.trajectory(&array![], &array![], 0.1, 1, sloped)).contains("empty"));
    assert!(message(plain.trajectory(&array![0.0], &array![0.0, 0.0], 0.1, 1, sloped)).contains("`p`"));
    assert!(message(plain.trajectory(&array![0.0], &array![f64::NAN], 0.1, 1, sloped)).contains("NaN"));
    for step in [0.0, f64::NAN, f64::INFINITY] {
        assert!(message(plain.trajectory(&array![0.0], &array![0.0], step, 1, sloped)).contains("`step`"));
    }
    assert_eq!(plain.trajectory(&array![0.0], &array![0.0], 0.1, 0, sloped).unwrap().position.dim(), (1, 1));

    let even = array![[0.5, 0.5], [0.5, 0.5]];
    assert!(message(transition_matrix(&array![], &Array2::zeros((0, 0)))).contains("empty"));
    assert!(message(transition_matrix(&array![1.0], &even)).contains("(1, 1)"));
    assert!(message(transition_matrix(&array![0.0, 0.0], &even)).contains("0 everywhere"));
    assert!(message(transition_matrix(&array![1.0, -1.0], &even)).contains("-1 at 1"));
    assert!(message(transition_matrix(&array![1.0, f64::NAN], &even)).contains("NaN"));
    assert!(message(transition_matrix(&array![1.0, 1.0], &array![[0.5, 0.6], [0.5, 0.5]])).contains("in row 0"));
}
