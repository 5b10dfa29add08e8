"""The Streamlit shell of LMTX Studio: navigation, services, state, widgets and charts."""
