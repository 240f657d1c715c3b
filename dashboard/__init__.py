"""The Streamlit front end. It reads run directories, writes config and control files, and never imports torch."""
