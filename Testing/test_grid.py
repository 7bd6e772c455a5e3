"""The box of a grid stays where it is, whatever it is cut into."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from volumes import IDENTITY

from MRISuperResolutionLib.errors import RequestError
from MRISuperResolutionLib.image.grid import PLANES, Grid


def triples(elements):
    return st.tuples(elements, elements, elements)


angles = triples(st.floats(-180, 180))
signs = triples(st.sampled_from((-1, 1)))
factors = triples(st.floats(1, 4))
spacings = triples(st.floats(0.1, 10))


@st.composite
def directions(draw):
    rotation = Rotation.from_euler("xyz", draw(angles), degrees=True).as_matrix()
    return tuple((rotation * draw(signs)).ravel().tolist())


grids = st.builds(Grid, triples(st.integers(1, 300)), spacings, triples(st.floats(-500, 500)), directions())


def same_box(one: Grid, other: Grid) -> bool:
    return one.direction == other.direction and np.allclose(one.corners(), other.corners(), rtol=0, atol=1e-6)


def assert_same(one: Grid, other: Grid) -> None:
    assert one.size == other.size
    assert one.spacing == pytest.approx(other.spacing, rel=1e-12)
    assert same_box(one, other)


@given(grids, factors)
def test_refining_keeps_the_box_and_rounds_to_whole_voxels(grid, factors):
    fine = grid.refined(factors)
    assert same_box(grid, fine)
    assert all(isinstance(n, int) for n in fine.size)
    assert np.all(np.abs(np.array(fine.size) - np.multiply(grid.size, factors)) <= 0.5 + 1e-9)


@given(grids, factors)
def test_coarsening_keeps_the_box_and_at_least_one_voxel(grid, factors):
    coarse = grid.coarsened(factors)
    assert same_box(grid, coarse)
    assert min(coarse.size) >= 1
    wanted = np.maximum(np.divide(grid.size, factors), 1)
    assert np.all(np.abs(np.array(coarse.size) - wanted) <= 0.5 + 1e-9)


@given(grids, spacings)
def test_a_target_spacing_keeps_the_box_and_is_met_to_a_voxel(grid, spacing):
    finer = np.divide(grid.spacing, spacing)
    assume(finer.max() <= 16)
    cut = grid.with_spacing(spacing)
    assert same_box(grid, cut)
    wanted = np.maximum(grid.size * finer, 1)
    assert np.all(np.abs(np.array(cut.size) - wanted) <= 0.5 + 1e-9)


def test_a_spacing_far_finer_than_the_grid_is_refused():
    with pytest.raises(RequestError, match="factor"):
        Grid((9, 9, 9)).with_spacing((1, 1, 1e-300))


@given(grids, factors)
def test_refined_then_coarsened_or_spaced_back_is_the_same_grid(grid, factors):
    fine = grid.refined(factors)
    assert_same(fine.coarsened(factors), grid)
    assert_same(fine.with_spacing(grid.spacing), grid)
    assert fine.factors_to(grid) == pytest.approx(1 / np.array(grid.factors_to(fine)))


@given(grids, factors)
def test_the_first_voxel_moves_by_half_the_difference_of_the_cells(grid, factors):
    fine = grid.refined(factors)
    columns = np.reshape(grid.direction, (3, 3)) * grid.spacing
    s = np.divide(fine.size, grid.size)
    expected = np.array(grid.origin) + sum(columns[:, a] * (1 / s[a] - 1) / 2 for a in range(3))
    assert fine.origin == pytest.approx(expected, abs=1e-9)


@given(grids, factors, triples(st.integers(0, 1000)))
def test_cell_m_lies_at_its_place_in_the_other_grid(grid, factors, m):
    fine = grid.refined(factors)
    s = np.divide(fine.size, grid.size)
    assert grid.to_index(fine.to_world(m)) == pytest.approx((np.array(m) + 0.5) / s - 0.5, abs=1e-7)


@given(grids, triples(st.floats(-1000, 1000)))
def test_index_to_world_and_back(grid, index):
    assert grid.to_index(grid.to_world(index)) == pytest.approx(np.array(index), abs=1e-7)
    assert grid.to_world((0, 0, 0)) == pytest.approx(grid.origin)


def test_distance_is_measured_at_the_outer_corners():
    grid = Grid((10, 20, 30))
    assert grid.distance_to(grid.refined((2, 3, 1.5))) == pytest.approx(0, abs=1e-9)
    assert grid.distance_to(Grid((10, 20, 30), origin=(3, 0, 4))) == pytest.approx(5)
    assert grid.distance_to(Grid((11, 20, 30))) == pytest.approx(1)


# world is LPS: x runs to the left, y to the back, z up; column a is where index axis a runs
ACQUISITIONS = {
    "axial": (IDENTITY, {"axial": 2, "coronal": 1, "sagittal": 0}),
    "coronal": ((1, 0, 0, 0, 0, 1, 0, -1, 0), {"axial": 1, "coronal": 2, "sagittal": 0}),
    "sagittal": ((0, 0, 1, 1, 0, 0, 0, -1, 0), {"axial": 1, "coronal": 0, "sagittal": 2}),
}


@pytest.mark.parametrize("acquired", ACQUISITIONS)
def test_slices_of_an_acquisition_lie_along_its_third_axis(acquired):
    direction, axes = ACQUISITIONS[acquired]
    grid = Grid((4, 5, 6), direction=direction)
    assert {plane: grid.slice_axis(plane) for plane in PLANES} == axes
    assert grid.slice_axis(acquired) == 2


@given(st.permutations(range(3)), signs, triples(st.floats(-1, 1)), st.floats(0, 40))
def test_tilted_flipped_and_permuted_axes_keep_their_plane(order, signs, around, degrees):
    length = np.linalg.norm(around)
    assume(length > 0.1)
    tilt = Rotation.from_rotvec(np.array(around) / length * degrees, degrees=True).as_matrix()
    straight = np.eye(3)[:, list(order)] * signs  # index axis a runs along world axis order[a]
    grid = Grid((4, 5, 6), direction=tuple((tilt @ straight).ravel()))
    normals = [order.index(world) for world in (0, 1, 2)]
    assert [grid.slice_axis(plane) for plane in ("sagittal", "coronal", "axial")] == normals


@given(directions())
def test_each_plane_has_its_own_axis(direction):
    grid = Grid((4, 5, 6), direction=direction)
    assert {grid.slice_axis(plane) for plane in PLANES} == {0, 1, 2}


def test_an_unknown_plane_is_refused():
    with pytest.raises(RequestError, match="axial"):
        Grid((4, 5, 6)).slice_axis("transverse")


@pytest.mark.parametrize("bad", [0, 0.5, -1, 1000, float("nan"), float("inf")])
@pytest.mark.parametrize("axis", range(3))
def test_bad_factors_are_refused(bad, axis):
    wanted = [2.0, 2.0, 2.0]
    wanted[axis] = bad
    for cut in (Grid((4, 5, 6)).refined, Grid((4, 5, 6)).coarsened):
        with pytest.raises(RequestError, match="between 1 and 16"):
            cut(wanted)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_bad_spacings_are_refused(bad):
    with pytest.raises(RequestError, match="positive"):
        Grid((4, 5, 6)).with_spacing((1, bad, 1))
