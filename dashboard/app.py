"""The dashboard's entry: the first guard, the style, and the navigation between pages.

Streamlit runs this file as its script. `streamlit run dashboard/app.py` and serve.py also import it, for `app`: the
server with our routes and guards around that script.
"""

import streamlit as st

from dashboard import security, state
from dashboard.style import ASSETS, use_style
from dashboard.views.problem import explained

SIDEBAR_WIDTH = 190  # pixels


def run_page() -> None:
    st.set_page_config(
        page_title="GRPO Lab", page_icon=str(ASSETS / "icon.svg"), layout="wide", initial_sidebar_state=190
    )
    use_style()
    if refusal := security.refusal(st.context.headers):
        st.error(refusal)
        st.stop()
    page = st.navigation(
        [
            st.Page(state.RUNS_PAGE, title="Runs", icon=":material/list:", default=True, help="All runs"),
            st.Page(state.NEW_RUN_PAGE, title="New run", icon=":material/add:", help="Set up and start a run"),
            st.Page(state.RUN_PAGE, title="Run", icon=":material/monitoring:", help="Watch one run"),
            st.Page(state.GROUPS_PAGE, title="Groups", icon=":material/grid_view:", help="Every completion of a step"),
            st.Page(state.COMPARE_PAGE, title="Compare", icon=":material/compare_arrows:", help="Runs side by side"),
            st.Page(state.REWARDS_PAGE, title="Rewards", icon=":material/star:", help="Write and check rewards"),
        ]
    )
    state.follow()
    with explained():
        page.run()


if __name__ == "__main__":
    run_page()
else:
    app = st.App(__file__, routes=security.routes(), middleware=security.middleware())
